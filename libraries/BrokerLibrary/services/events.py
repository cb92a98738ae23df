"""TLVs as JSON has them: `{"type": "TRADE", "fields": {...}}`, or `{"type": "ORDER_REQUEST", "value": "00ff..."}`.

Numbers stay numbers, bytes become hexadecimal digits, levels of an order book lists. Types without a known layout, and
numbers that are no type, have a `value` instead of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from BrokerLibrary.protocol_v2.errors import MessageProblem
from BrokerLibrary.protocol_v2.layouts import LAYOUTS
from BrokerLibrary.protocol_v2.registry import TlvType
from BrokerLibrary.protocol_v2.tlv import Tlv


def to_tlv(event: Mapping[str, Any]) -> Tlv:
    """Return the TLV that an event describes.

    Raises:
        KeyError: no such type, or neither fields nor a value.
        TypeError, ValueError: the fields are not those of the type.
    """
    number = TlvType[event["type"]]
    if "value" in event:
        return Tlv(int(number), bytes.fromhex(event["value"]))
    layout = LAYOUTS[int(number)]
    given = {name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in event["fields"].items()}
    return layout(**given).tlv()


def described(tlv: Tlv) -> dict[str, Any]:
    """Return what a TLV says, as `to_tlv` takes it; a number that is no type stays a number."""
    name: str | int = TlvType(tlv.type).name if tlv.type in TlvType._value2member_map_ else tlv.type
    layout = LAYOUTS.get(tlv.type)
    if layout is None:
        return {"type": name, "value": tlv.value.hex()}
    try:
        value = layout.unpack(tlv.value)
    except MessageProblem:  # a size that the registry allows and no struct has
        return {"type": name, "value": tlv.value.hex()}
    return {"type": name, "fields": {field.name: _plain(getattr(value, field.name)) for field in fields(value)}}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):  # the levels of an order book
        return [_plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else int(value)
