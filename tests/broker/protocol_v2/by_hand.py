"""Messages put together with nothing but `struct` and `zlib`, from the tables of the contract: no line of the codec.

`RIGHT` has the bytes of every recorded message, `WRONG` those of every recorded one that must be refused.
"""

from __future__ import annotations

import struct
import zlib

TIME = 1_700_000_000_000_000_000
BTC_USD = int.from_bytes(b"BTC-USD\0", "big")


def address(number):
    return bytes(range(number, number + 20))


def crc(front, payload):
    return zlib.crc32(payload, zlib.crc32(front))


def front(domain, source, sequence, timestamp, size, version=1, magic=0xDEADBEEF):
    return struct.pack("<IBBBBQQI", magic, domain, version, source, 0, sequence, timestamp, size)


def message(domain, source, sequence, payload, *, checksum=None, size=None, timestamp=None, **header):
    """Put a message together; whatever is not given is right. A checksum may be a number, or a rule to calculate it."""
    stamp = TIME + sequence if timestamp is None else timestamp
    first = front(domain, source, sequence, stamp, len(payload) if size is None else size, **header)
    if checksum is None:
        checksum = crc(first, payload)
    elif callable(checksum):
        checksum = checksum(first, payload)
    return first + struct.pack("<I", checksum) + payload


def tlv(number, value):
    return struct.pack("<BB", number, len(value)) + value


def extended(number, value):
    return struct.pack("<BBBH", 0xFF, 0, number, len(value)) + value


def u128(number):
    return struct.pack("<QQ", number & 0xFFFFFFFFFFFFFFFF, number >> 64)


def padded(address_):
    return address_ + bytes(12)


TRADE = struct.pack("<QqqQHBBB3x", BTC_USD, 45_000 * 10**8, 10**8, TIME, 101, 51, 0, 0)
SALE = struct.pack("<QqqQHBBB3x", BTC_USD, -37 * 10**8, 2**63 - 1, TIME + 29, 65_000, 250, 0, 1)
QUOTE = struct.pack("<QqqqqQHBB4x", BTC_USD, 44_999 * 10**8, 10**8, 45_001 * 10**8, 2 * 10**8, TIME, 101, 51, 0)
SWAP = (
    u128(10**18)
    + u128(2_500 * 10**6)
    + u128(2**100 + 7)
    + struct.pack("<QQiHBB8x", TIME + 30, 51_000_000, -201_234, 301, 18, 6)
    + padded(address(0x10))
    + padded(address(0x30))
    + padded(address(0x50))
    + u128(2**96 + 2**64 + 5)
    + bytes(16)
)
SYNC = (
    u128(123_456 * 10**18)
    + u128(2**127 + 1)
    + struct.pack("<QQHBB12x", TIME + 31, 51_000_001, 400, 18, 8)
    + padded(address(0x11))
    + padded(address(0x31))
    + padded(address(0x51))
)


def liquidity_change(delta, shift):
    return (
        u128(delta)
        + u128(3 * 10**18)
        + u128(7_500 * 10**6)
        + struct.pack("<QiiHBB12x", TIME + 32, -887_220, 887_220, 301, 18, 6)
        + padded(address(0x12 + shift))
        + padded(address(0x32 + shift))
        + padded(address(0x52 + shift))
        + padded(address(0x72 + shift))
    )


TICK = struct.pack("<qQQiHxx", -5 * 10**17, 2**63 + 9, TIME + 33, -60, 301) + padded(address(0x13))
STATE = (
    u128(10**20)
    + u128(10**12)
    + u128(2**97)
    + u128(2**90 + 1)
    + struct.pack("<QQiIHBBB3x", 51_000_002, TIME + 34, 276_324, 30, 301, 3, 18, 6)
    + padded(address(0x14))
    + padded(address(0x34))
    + padded(address(0x54))
)
GAS = struct.pack("<QQIIIHH", 51_000_003, TIME + 35, 120, 85, 35, 137, 0)
BIDS = ((44_999 * 10**8, 10**8, 3), (44_998 * 10**8, 5 * 10**7, 1))
ASKS = tuple((45_001 * 10**8 + n * 10**8, (n + 1) * 10**7, n + 1) for n in range(50))


def side(levels):
    rows = b"".join(struct.pack("<qqII", *level, 0) for level in levels)
    return struct.pack("<HHHH", len(levels), 0, 0, 0) + rows + bytes(24 * (50 - len(levels)))


BOOK = struct.pack("<QQqQHBB4x", TIME + 36, 99, 10**8, BTC_USD, 101, 51, 0) + side(BIDS) + side(ASKS)
SIGNAL = (
    struct.pack("<HQI", 21, 0x1122334455667788, 137)
    + address(0x15)
    + address(0x35)
    + struct.pack("<HH", 400, 401)
    + address(0x55)
    + address(0x75)
    + struct.pack("<qqHqqqq", 15 * 10**8, 1_000 * 10**8, 150, 3 * 10**8, 5 * 10**7, 15 * 10**7, 10 * 10**8)
    + struct.pack("<HIIHHQ", 50, 100, 1_700_000_300, 1_500, 0, TIME + 37)
)
HEALTH = struct.pack("<QIIIHHBBBB20x", TIME + 38, 12, 45_000, 7, 25, 350, 82, 1, 63, 41)
TRACE = struct.pack("<QQBBBB4x", TIME, TIME + 39, 4, 2, 3, 0) + b"trace-id"
RECOVERY = struct.pack("<QQII", 1_000, 1_250, 42, 2)
ORDER = bytes(range(32))

RIGHT = {
    "trade": message(1, 2, 1, tlv(1, TRADE)),
    "quote": message(1, 2, 2, tlv(2, QUOTE)),
    "sale": message(1, 3, 22, tlv(1, SALE)),
    "empty": message(1, 4, 0, b"", timestamp=0),
    "identification": message(1, 4, 0, b"", timestamp=0, checksum=0),
    "trade without a checksum": message(1, 2, 3, tlv(1, TRADE), checksum=0),
    "extended vendor type": message(1, 4, 4, extended(200, b"\1" * 300)),
    "unknown type": message(1, 100, 5, tlv(190, b"later")),
    "three values": message(1, 2, 6, tlv(1, TRADE) + tlv(9, b"") + tlv(2, QUOTE)),
    "pool swap": message(1, 4, 7, tlv(11, SWAP)),
    "pool mint": message(1, 4, 8, tlv(12, liquidity_change(2**65, 0))),
    "pool burn": message(1, 4, 9, tlv(13, liquidity_change(2**66, 1))),
    "pool tick": message(1, 4, 10, tlv(14, TICK)),
    "pool state": message(1, 4, 11, tlv(15, STATE)),
    "pool sync": message(1, 4, 12, tlv(16, SYNC)),
    "gas price": message(1, 4, 13, tlv(18, GAS)),
    "order book": message(1, 3, 14, extended(3, BOOK)),
    "arbitrage signal": message(2, 20, 15, tlv(32, SIGNAL)),
    "signal identity and economics": message(2, 23, 16, tlv(20, bytes(range(16))) + tlv(22, bytes(range(32)))),
    "order request": message(3, 40, 17, tlv(40, ORDER)),
    "risk decision": message(3, 41, 18, tlv(60, ORDER)),
    "system health": message(4, 61, 19, tlv(107, HEALTH)),
    "trace context": message(4, 80, 20, tlv(108, TRACE)),
    "recovery request": message(4, 60, 21, tlv(110, RECOVERY)),
}


def _zeroed(first, payload):
    return zlib.crc32(first + bytes(4) + payload)


def _all_but_the_end(first, payload):
    return zlib.crc32((first + bytes(4) + payload)[:-4])


def _payload_only(_, payload):
    return zlib.crc32(payload)


def _of_the_documents_padded(payload):
    """The layout of AlphaPulse's protocol page as a C compiler lays it out: 40 bytes."""
    front_ = struct.pack("<IBBBBI4xQQ", 0xDEADBEEF, 1, 1, 2, 0, len(payload), 1, TIME + 1)
    covered = (front_ + bytes(8) + payload)[:-4]
    return front_ + struct.pack("<I4x", zlib.crc32(covered)) + payload


def _of_the_documents_packed(payload):
    """The same, packed: as the producer of Kraken signals writes it."""
    front_ = struct.pack("<IBBBBIQQ", 0xDEADBEEF, 1, 1, 2, 0, len(payload), 1, TIME + 1)
    return front_ + struct.pack("<I", zlib.crc32((front_ + bytes(4) + payload)[:-4])) + payload


def _of_message_types(domain, payload):
    """The layout of the page of message types: version 2 before the domain, source u16, checksum of the payload."""
    front_ = struct.pack("<IBBHQQI", 0xDEADBEEF, 2, domain, 2, 1, TIME + 1, len(payload))
    return front_ + struct.pack("<I", zlib.crc32(payload)) + payload


def _of_the_ticket(payload):
    """The header that MYC-004 draws: 39 bytes, checksum of the payload, eight reserved bytes."""
    front_ = struct.pack("<IBBBQQI", 0xDEADBEEF, 1, 1, 2, 1, TIME + 1, len(payload))
    return front_ + struct.pack("<I", zlib.crc32(payload)) + bytes(8) + payload


_PAYLOAD = tlv(1, TRADE)
_RIGHT = RIGHT["trade"]

WRONG = {
    "header of the protocol page, padded": _of_the_documents_padded(_PAYLOAD),
    "header of the protocol page, packed": _of_the_documents_packed(_PAYLOAD),
    "header of the message types page": _of_message_types(1, _PAYLOAD),
    "header of the message types page, signal": _of_message_types(20, tlv(32, SIGNAL)),
    "header of MYC-004": _of_the_ticket(_PAYLOAD),
    "version 2": message(1, 2, 1, _PAYLOAD, version=2),
    "checksum with its field zeroed": message(1, 2, 1, _PAYLOAD, checksum=_zeroed),
    "checksum without the last four bytes": message(1, 2, 1, _PAYLOAD, checksum=_all_but_the_end),
    "checksum of the payload": message(1, 2, 1, _PAYLOAD, checksum=_payload_only),
    "one bit flipped": _RIGHT[:50] + bytes([_RIGHT[50] ^ 0x10]) + _RIGHT[51:],
    "no checksum on signals": message(2, 20, 15, tlv(32, SIGNAL), checksum=0),
    "no checksum on execution": message(3, 40, 17, tlv(40, ORDER), checksum=0),
    "market data as domain 0": message(0, 2, 1, _PAYLOAD),
    "domain 5": message(5, 2, 1, _PAYLOAD),
    "signal as domain 1": message(1, 20, 15, tlv(32, SIGNAL)),
    "execution as domain 2": message(2, 40, 17, tlv(40, ORDER)),
    "system as domain 3": message(3, 61, 19, tlv(107, HEALTH)),
    "source 0": message(1, 0, 1, _PAYLOAD),
    "source 101": message(1, 101, 1, _PAYLOAD),
    "magic all zero": bytes(74),
    "magic all ones": b"\xff" * 74,
    "magic in the opposite order": message(1, 2, 1, _PAYLOAD, magic=0xEFBEADDE),
    "magic of another protocol": b"ALPH" + _RIGHT[4:],
    "nothing": b"",
    "header cut": _RIGHT[:31],
    "payload cut": _RIGHT[:60],
    "payload size beyond the end": message(1, 2, 1, _PAYLOAD, size=43),
    "payload size of 4 GiB": message(1, 2, 1, _PAYLOAD, size=0xFFFFFFFF),
    "bytes after the payload": _RIGHT + b"\0",
    "bytes after a payload without a checksum": RIGHT["trade without a checksum"] + b"\0\0",
    "stray byte": message(1, 2, 1, _PAYLOAD + b"\7"),
    "stray marker": message(1, 2, 1, _PAYLOAD + b"\xff"),
    "value beyond the payload": message(1, 2, 1, struct.pack("<BB", 8, 200) + bytes(199)),
    "extended value beyond the payload": message(1, 2, 1, extended(200, bytes(300))[:-1]),
    "extended front cut": message(1, 2, 1, b"\xff\x00\x03\x98"),
    "marker without its zero": message(1, 2, 1, b"\xff\x01" + bytes(20)),
    "quote of 52 bytes": message(1, 2, 2, tlv(2, QUOTE[:52])),
    "arbitrage signal of 168 bytes": message(2, 20, 15, tlv(32, SIGNAL[:168])),
    "trade of 24 bytes": message(1, 2, 1, tlv(1, TRADE[:24])),
    "type and length as u16": message(1, 2, 1, struct.pack("<HH", 1, 40) + TRADE),
    "trade among signals": message(2, 20, 15, _PAYLOAD),
    "risk decision among signals": message(2, 41, 18, tlv(60, ORDER)),
    "vendor type in a domain": message(1, 4, 4, tlv(204, b"\1" * 30)),
    "order book before a domain": RIGHT["order book"],
    "extended vendor type before a domain": RIGHT["extended vendor type"],
    "signal at the market data relay": RIGHT["arbitrage signal"],
    "pool swap of 209 bytes": message(1, 4, 7, tlv(11, SWAP + b"\0")),
    "pool tick of 29 bytes": message(1, 4, 10, tlv(14, TICK[:29])),
}
