"""Values with known fields: each field says at which byte it begins and what it is, as the contract's tables do.

From these come three things that so cannot disagree: the dataclass, the `struct` that packs one value, and the numpy
dtype that reads thousands in place. Bytes between the fields are written as zeros and not looked at when read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from BrokerLibrary.protocol_v2.errors import PayloadSizeMismatch
from BrokerLibrary.protocol_v2.registry import TlvType
from BrokerLibrary.protocol_v2.tlv import Tlv


class Kind(NamedTuple):
    """What a field is: in a `struct`, in a numpy dtype and, when these are bytes, how its value is made of them."""

    code: str
    column: Any
    to_wire: Callable[[Any], bytes] | None = None
    from_wire: Callable[[bytes], Any] | None = None


def _octets(size: int) -> Kind:
    def same_size(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{size} bytes are needed, not {len(value)}")
        return value

    return Kind(f"{size}s", ("u1", (size,)), same_size, bytes)


def _large(size: int) -> Kind:
    """An unsigned number of several 64-bit words, the lowest first; numpy has no such type and sees the words."""

    def to_wire(value: int) -> bytes:
        return value.to_bytes(size, "little")

    def from_wire(data: bytes) -> int:
        return int.from_bytes(data, "little")

    return Kind(f"{size}s", ("<u8", (size // 8,)), to_wire, from_wire)


U8, U16, U32, U64 = Kind("B", "u1"), Kind("H", "<u2"), Kind("I", "<u4"), Kind("Q", "<u8")
I32, I64 = Kind("i", "<i4"), Kind("q", "<i8")
U128, U256 = _large(16), _large(32)
ADDRESS = _octets(20)  # of an account or contract; where 32 bytes are kept for one, the last twelve are zero
TRACE_ID = _octets(8)


def at(offset: int, kind: Kind, **settings: Any) -> Any:
    """Declare a field that begins at this byte; `settings` are those of `dataclasses.field`."""
    return field(metadata={"offset": offset, "kind": kind}, **settings)


class _Plan(NamedTuple):
    struct: struct.Struct
    values: Callable[[Any], tuple[Any, ...]]
    to_wire: tuple[tuple[int, Callable[[Any], bytes]], ...]  # of the fields that are bytes: which one, how
    from_wire: tuple[tuple[int, Callable[[bytes], Any]], ...]
    dtype: np.dtype[np.void]


_PLANS: dict[type[Layout], _Plan] = {}


@dataclass(frozen=True)
class Layout:
    """Base of all values with known fields.

    A subclass is a frozen dataclass whose fields are declared with `at`, in the order in which they stand, and says
    how many bytes there are and, unless it is only a part of others, what type a TLV with it has.
    """

    TYPE: ClassVar[TlvType | None] = None
    SIZE: ClassVar[int]

    def pack(self) -> bytes:
        """Return the bytes.

        Raises:
            ValueError: a field's value does not fit into its bytes.
        """
        plan = _plan(type(self))
        values = list(plan.values(self))
        try:
            for index, to_wire in plan.to_wire:
                values[index] = to_wire(values[index])
            return plan.struct.pack(*values)
        except (struct.error, OverflowError, ValueError) as error:
            raise ValueError(f"{self} cannot be packed: {error}") from None

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read a value from its bytes.

        Raises:
            PayloadSizeMismatch: there are more bytes, or less.
            InvalidField: a field says what cannot be (see the classes that raise it).
        """
        if len(data) != cls.SIZE:
            raise PayloadSizeMismatch(cls.TYPE or 0, cls.SIZE, len(data))
        plan = _plan(cls)
        values = list(plan.struct.unpack(data))
        for index, from_wire in plan.from_wire:
            values[index] = from_wire(values[index])
        return cls(*values)

    def tlv(self) -> Tlv:
        """Return the TLV with this value. Raises as `pack`."""
        assert self.TYPE is not None, f"{type(self).__name__} is only a part of other values"
        return Tlv(int(self.TYPE), self.pack(), extended=self.SIZE > 255)

    @classmethod
    def dtype(cls) -> np.dtype[np.void]:
        """Return the numpy dtype of the same bytes, with a field of the same name for each field."""
        return _plan(cls).dtype


def _plan(layout: type[Layout]) -> _Plan:
    """How a layout is packed and read: made out of its fields once."""
    if layout not in _PLANS:
        _PLANS[layout] = _planned(layout)
    return _PLANS[layout]


def _planned(layout: type[Layout]) -> _Plan:
    names = [one.name for one in fields(layout)]
    kinds: list[Kind] = [one.metadata["kind"] for one in fields(layout)]
    offsets: list[int] = [one.metadata["offset"] for one in fields(layout)]
    form, end = "<", 0
    for name, kind, offset in zip(names, kinds, offsets, strict=True):
        if offset < end:
            raise TypeError(f"{layout.__name__}.{name} begins at {offset}, where another field is")
        form += f"{offset - end}x{kind.code}"
        end = offset + struct.calcsize("<" + kind.code)
    if end > layout.SIZE:
        raise TypeError(f"{layout.__name__} ends at {end} and has only {layout.SIZE} bytes")
    columns = {"names": names, "formats": [kind.column for kind in kinds], "offsets": offsets, "itemsize": layout.SIZE}
    return _Plan(
        struct.Struct(f"{form}{layout.SIZE - end}x"),
        attrgetter(*names),
        tuple((index, kind.to_wire) for index, kind in enumerate(kinds) if kind.to_wire),
        tuple((index, kind.from_wire) for index, kind in enumerate(kinds) if kind.from_wire),
        np.dtype(columns),  # type: ignore[call-overload]
    )
