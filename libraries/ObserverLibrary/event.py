"""EntityEvents as they travel over NATS: compact JSON, and ids that tell when each was to be published.

An id is a UUIDv7 (RFC 9562): 48 bits of milliseconds, 12 bits of the fraction of a millisecond, and where others have
random bits 30 that tell the load and 32 that number its events. So an id that a sink holds says which event it is and
when it was due, without a table of ids. All else in an event of a load follows from the load's seed and the number.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

import numpy as np
import orjson
from numpy.typing import NDArray

EventType = Literal["INSERT", "UPDATE", "DELETE", "CUSTOM"]

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
ENTITY_TYPES = ("Order", "User")
USERS = 16  # who caused the events of a load; the last of them is nobody (null)
MICROSECONDS = 1_000_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MASK = (1 << 64) - 1
_TAG_BITS, _NUMBER_BITS = 30, 32


@dataclass(frozen=True, slots=True)
class EntityEvent:
    """What became of one entity; fields in the order in which they are sent."""

    id: str
    event_type: EventType
    entity_type: str
    entity_id: str
    data: Any
    user_id: str | None
    tenant_id: str | None
    timestamp: str  # RFC 3339, microseconds, "Z"

    def payload(self) -> bytes:
        """Return the message: compact JSON, keys in the order of the fields."""
        return orjson.dumps(asdict(self))

    def subject(self, prefix: str) -> str:
        """Return the subject on which it is published, such as `fraiseql.mutation.Order.INSERT`."""
        return f"{prefix}.{self.entity_type}.{self.event_type}"

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Make an event of its fields.

        Raises:
            ValueError: a field is missing, or there is one too many.
        """
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"is not an EntityEvent: {error}") from None

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a message.

        Raises:
            ValueError: it is not the JSON of an EntityEvent.
        """
        content = orjson.loads(payload)
        if not isinstance(content, dict):
            raise ValueError(f"is not an EntityEvent but a {type(content).__name__}")
        return cls.of(content)


class EventSource:
    """The events of one load. The same seed gives the same events, whoever asks for them.

    Attributes:
        tenant: whose events they are: no other load's, so that sinks can be asked for those of this load alone.
    """

    def __init__(self, seed: int) -> None:
        self._key = mixed(seed)
        self._half = 1 << 63 | self._key >> (64 - _TAG_BITS) << _NUMBER_BITS  # variant and load of every id
        self.tenant = _uuid4(mixed(self._key ^ 1), mixed(self._key ^ 2))
        users = [_uuid4(mixed(self._key ^ n), mixed(n)) for n in range(3, 2 + USERS)]
        self._users: list[str | None] = [*users, None]
        self._second, self._clock = -1, ""

    def message(self, number: int, intended_us: int) -> tuple[str, bytes]:
        """Return the end of an event's subject, such as `Order.INSERT`, and its payload.

        The payload is that of `EntityEvent.payload`; its timestamp is the intended time.
        """
        identifier, kind, what, entity, data, user = self.columns(number, intended_us)
        quoted = f'"{user}"' if user else "null"
        payload = (
            f'{{"id":"{identifier}","event_type":"{kind}","entity_type":"{what}","entity_id":"{entity}",'
            f'"data":{data},"user_id":{quoted},"tenant_id":"{self.tenant}",'
            f'"timestamp":"{self._timestamp(intended_us)}"}}'
        )
        return f"{what}.{kind}", payload.encode()

    def columns(self, number: int, intended_us: int) -> tuple[str, EventType, str, str, str, str | None]:
        """Return what tells an event from the others of its load, as a table has it.

        Returns:
            id, event type, entity type, entity id, data as JSON, user id.
        """
        bits = mixed(self._key + number)
        return (
            _text(_time_bits(intended_us), self._half | number),
            EVENT_TYPES[bits & 3],
            ENTITY_TYPES[bits >> 2 & 1],
            _uuid4(bits, bits ^ self._key),
            f'{{"number":{number},"total":{_total(bits)}}}',
            self._users[bits >> 3 & 15],
        )

    def event(self, number: int, intended_us: int) -> EntityEvent:
        """Return an event with its fields."""
        return EntityEvent.parse(self.message(number, intended_us)[1])

    def ids(self, intended_us: NDArray[np.int64]) -> NDArray[np.bytes_]:
        """Return the ids of all events from number 0 on, as 16 bytes each (dtype S16)."""
        milliseconds, fraction = np.divmod(intended_us, 1000)
        halves = np.empty((len(intended_us), 2), dtype=">u8")
        halves[:, 0] = milliseconds << 16 | 0x7000 | fraction * 4096 // 1000
        halves[:, 1] = np.arange(len(intended_us), dtype=np.uint64) | np.uint64(self._half)
        return halves.view("S16").reshape(-1)

    def _timestamp(self, microseconds: int) -> str:
        second, fraction = divmod(microseconds, MICROSECONDS)
        if second != self._second:  # events come in the order of their time
            self._second, self._clock = second, (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._clock}.{fraction:06d}Z"


def intended_of(identifier: str) -> int:
    """Return when an event was to be published, microseconds since the epoch, as its id says.

    Raises:
        ValueError: the id is not a UUIDv7.
    """
    value = uuid.UUID(identifier).int
    if value >> 76 & 0xF != 7:
        raise ValueError(f"{identifier} is not a UUIDv7, its version is {value >> 76 & 0xF}")
    fraction = value >> 64 & 0xFFF
    return (value >> 80) * 1000 + -(-fraction * 1000 // 4096)


def number_of(identifier: str) -> int:
    """Return the number of an event in its load, as its id says."""
    return uuid.UUID(identifier).int & ((1 << _NUMBER_BITS) - 1)


def timestamp_of(microseconds: int) -> str:
    """Write an instant as events do: RFC 3339, microseconds, `Z`."""
    return (EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def microseconds_of(timestamp: str) -> int:
    """Read an RFC 3339 timestamp: microseconds since the epoch, finer digits cut off.

    Raises:
        ValueError: it is not one, or does not say its zone.
    """
    instant = datetime.fromisoformat(timestamp)
    if instant.tzinfo is None:
        raise ValueError(f"'{timestamp}' does not say its zone")
    return (instant - EPOCH) // timedelta(microseconds=1)


def lone_event(event_type: EventType, entity_type: str, data: Any, *, seed: int, intended_us: int) -> EntityEvent:
    """Make an event that belongs to no load, with data of the caller's; number 0 of the source with this seed."""
    made = EventSource(seed).event(0, intended_us)
    user = made.user_id or _uuid4(mixed(seed ^ 5), mixed(seed ^ 6))
    return EntityEvent(made.id, event_type, entity_type, made.entity_id, data, user, made.tenant_id, made.timestamp)


def _total(bits: int) -> float:
    """Return the sum of money in an event's data: whole quarters below 1 000, so that sums of them are exact."""
    return (bits >> 7 & 0xFFF) % 4000 / 4


def mixed(value: int) -> int:
    """Return 64 bits that look random, the same for the same value (splitmix64's finish)."""
    value = (value + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 30) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def _time_bits(microseconds: int) -> int:
    milliseconds, fraction = divmod(microseconds, 1000)
    return milliseconds << 16 | 0x7000 | fraction * 4096 // 1000


def _uuid4(high: int, low: int) -> str:
    return _text(high & ~0xF000 | 0x4000, low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)


def _text(high: int, low: int) -> str:
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
