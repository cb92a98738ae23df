"""The records against the contract's own bytes and against bytes put together by hand; the codec against them."""

from __future__ import annotations

import dataclasses

import pytest

from BrokerLibrary.protocol_v2 import errors, golden
from tests.broker.protocol_v2 import by_hand

GOLDEN = golden.read()
MESSAGES = {one.name: one for one in GOLDEN.messages}
REFUSED = {one.name: one for one in GOLDEN.refused}

CONTRACT = {  # section 3.11
    "trade": "efbeadde01010200010000000000000001002a36fe9c97172a0000007516a4c5"
    "0128004453552d43544200c8e6bc1704000000e1f5050000000000002a36fe9c97176500330000000000",
    "quote": "efbeadde01010200020000000000000002002a36fe9c97173a0000001df59d11"
    "0238004453552d43544200e7f0b61704000000e1f5050000000000a9dcc21704000000c2eb0b00000000"
    "00002a36fe9c97176500330000000000",
    "empty": "efbeadde0101040000000000000000000000000000000000000000006e2b1f00",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contracts_vectors_are_recorded(name):
    assert MESSAGES[name].message.hex() == CONTRACT[name]


def test_an_extended_value_begins_as_the_contract_says():
    assert MESSAGES["extended vendor type"].message[32:].startswith(bytes.fromhex("ff00c82c01") + b"\1" * 300)


def test_all_records_are_what_was_put_together_by_hand():
    assert {name: one.message for name, one in MESSAGES.items()} == by_hand.RIGHT
    assert {name: one.message for name, one in REFUSED.items()} == by_hand.WRONG


@pytest.mark.parametrize("name", MESSAGES)
def test_a_recorded_message_is_read_and_built_as_recorded(name):
    assert golden.reading_deviations(MESSAGES[name]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_message_is_refused_with_the_named_error(name):
    assert golden.refusal_deviations(REFUSED[name]) == []


def test_every_error_about_bytes_is_recorded():
    about_time = {errors.InvalidTimestamp, errors.DuplicateSequence, errors.SequenceGap}
    about_values = {errors.InvalidField}
    classes = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.MessageProblem)}
    named = {one.__name__ for one in classes - about_time - about_values - {errors.MessageProblem}}
    assert {one.error for one in REFUSED.values()} == named


@pytest.mark.parametrize("name", [name for name, one in REFUSED.items() if one.error == "ChecksumMismatch"])
def test_a_recorded_checksum_is_that_of_zlib(name):
    message = REFUSED[name].message
    assert REFUSED[name].facts["calculated"] == by_hand.crc(message[:28], message[32:])


def changed(name, **parts):
    return dataclasses.replace(MESSAGES[name], **parts)


def with_tlv(name, **parts):
    return changed(name, tlvs=({**MESSAGES[name].tlvs[0], **parts},))


@pytest.mark.parametrize(
    ("record", "deviation"),
    [
        (changed("trade", header={**MESSAGES["trade"].header, "source": 3}), "header: source is 2 instead of 3"),
        (changed("trade", tlvs=()), "has 1 TLVs instead of 0"),
        (with_tlv("trade", type=7), "TLV 0: type is 1 instead of 7"),
        (with_tlv("order request", value="00"), "TLV 0: value is b'"),
        (with_tlv("trade", fields={**MESSAGES["trade"].tlvs[0]["fields"], "side": 1}), "TLV 0: side is 0 instead of 1"),
        (with_tlv("trade", fields={"side": 0}), "TLV 0: price is 4500000000000 instead of 'none'"),
        (changed("trade", message=MESSAGES["trade"].message[:-1]), "was refused: MessageTooSmall: a message with"),
        (
            changed("trade", message=by_hand.message(1, 2, 1, by_hand.tlv(1, by_hand.TRADE[:-1] + b"\1"))),
            "TLV 0 is packed as 004453552d",
        ),
    ],
)
def test_a_message_that_is_not_as_recorded_is_told(record, deviation):
    found = golden.reading_deviations(record)
    assert any(text.startswith(deviation) for text in found), found


def test_a_message_that_is_not_built_again_as_it_was_is_told(monkeypatch):
    nobodys = by_hand.message(1, 2, 1, by_hand.tlv(0, b""))
    record = changed("trade", message=nobodys)
    assert "cannot be built again: a TLV has a type from 1 to 254, not 0" in golden.reading_deviations(record)
    monkeypatch.setattr(golden, "build", lambda *_, **__: b"other")
    assert golden.reading_deviations(MESSAGES["trade"]) == ["is built as 6f74686572"]


@pytest.mark.parametrize(
    ("parts", "deviation"),
    [
        ({"error": "InvalidMagic"}, "expected InvalidMagic, got TruncatedTLV: TLV of type 7 at offset 42"),
        ({"facts": {"type": 8}}, "TruncatedTLV: type is 7 instead of 8"),
        ({"message": MESSAGES["trade"].message}, "was accepted, expected TruncatedTLV"),
    ],
)
def test_a_refusal_that_is_not_as_recorded_is_told(parts, deviation):
    found = golden.refusal_deviations(dataclasses.replace(REFUSED["stray byte"], **parts))
    assert any(text.startswith(deviation) for text in found), found


def test_deviations_of_all_records_come_with_their_names():
    wrong = golden.Golden(
        (*GOLDEN.messages, changed("quote", tlvs=())),
        (dataclasses.replace(REFUSED["domain 5"], error="InvalidSource"), *GOLDEN.refused),
    )
    assert golden.deviations(GOLDEN) == []
    assert [text.split(":")[0] for text in golden.deviations(wrong)] == ["quote", "domain 5"]


def test_a_record_that_nobody_is_to_refuse_is_a_mistake():
    with pytest.raises(ValueError, match="by 'somebody', which is nobody"):
        golden.refusal_deviations(dataclasses.replace(REFUSED["domain 5"], by="somebody"))


@pytest.mark.parametrize("name", [name for name, one in REFUSED.items() if one.error == "ChecksumMismatch"])
def test_a_reader_that_does_not_read_checksums_is_found_out(name):
    (deviation,) = golden.refusal_deviations(REFUSED[name], verified=False)
    assert deviation == "was accepted, expected ChecksumMismatch" or "expected ChecksumMismatch, got" in deviation
