"""Recorded messages (`golden.yaml`), and whether the codec still makes of them what it has to.

A deviation is a sentence; no deviation means that a message is read as recorded, by both parsers, and built again from
what was read byte for byte, or that it is refused with the recorded error and facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from BrokerLibrary.protocol_v2 import batched
from BrokerLibrary.protocol_v2.errors import MessageProblem
from BrokerLibrary.protocol_v2.header import ABSENT, Domain
from BrokerLibrary.protocol_v2.layouts import LAYOUTS
from BrokerLibrary.protocol_v2.messages import Message, build, parse
from BrokerLibrary.protocol_v2.policy import Policy, Validator
from BrokerLibrary.protocol_v2.tlv import Tlv

RECORDED = Path(__file__).with_name("golden.yaml")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message that must be read.

    Attributes:
        name: of the record.
        message: its bytes.
        header: what each field must be.
        tlvs: for each TLV its type, length, whether it is extended, and either its `fields` or its `value`.
    """

    name: str
    message: bytes
    header: Mapping[str, int]
    tlvs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that must be refused.

    Attributes:
        name: of the record.
        message: its bytes.
        by: who has to refuse it: parse, domain or market data.
        error: name of the exception.
        facts: what it must say.
    """

    name: str
    message: bytes
    by: str
    error: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Golden:
    """All that is recorded."""

    messages: tuple[Recorded, ...]
    refused: tuple[Refused, ...]


def read(path: Path = RECORDED) -> Golden:
    """Read the records."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    recorded = {
        one["name"]: Recorded(one["name"], bytes.fromhex(one["hex"]), one["header"], tuple(one["tlvs"]))
        for one in content["messages"]
    }
    refused = [
        Refused(
            one["name"],
            recorded[one["message"]].message if "message" in one else bytes.fromhex(one["hex"]),
            one["by"],
            one["error"],
            one["facts"],
        )
        for one in content["refused"]
    ]
    return Golden(tuple(recorded.values()), tuple(refused))


def deviations(golden: Golden) -> list[str]:
    """Return a sentence for everything that is not as it is recorded."""
    found = [f"{one.name}: {text}" for one in golden.messages for text in reading_deviations(one)]
    return found + [f"{one.name}: {text}" for one in golden.refused for text in refusal_deviations(one)]


def reading_deviations(recorded: Recorded) -> list[str]:
    """Return what one message is read as, or built as, other than recorded."""
    try:
        message = parse(recorded.message)
    except MessageProblem as problem:
        return [f"was refused: {_sentence(problem)}"]
    return [
        *_differences("header", recorded.header, message.header._asdict()),
        *_tlv_deviations(recorded, message),
        *_batch_deviations(recorded, message),
        *_rebuilding_deviations(recorded, message),
    ]


def refusal_deviations(refused: Refused, *, verified: bool = True) -> list[str]:
    """Return how one message is treated other than refused as recorded, by a reader that reads checksums or not."""
    try:
        _judge(refused, verified)
    except MessageProblem as problem:
        name = type(problem).__name__
        if name != refused.error:
            return [f"expected {refused.error}, got {_sentence(problem)}"]
        return _differences(name, refused.facts, {key: plain(value) for key, value in vars(problem).items()})
    return [f"was accepted, expected {refused.error}"]


def plain(value: Any) -> Any:
    """Return a value as it stands in a record: bytes as digits, tuples as lists, members of an enum by name."""
    if isinstance(value, Enum) and isinstance(value, str):
        return value.name
    if isinstance(value, bytes):
        return value.hex()
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def _judge(refused: Refused, verified: bool) -> None:
    if refused.by == "parse":
        parse(refused.message, verified=verified)
    elif refused.by == "domain":
        parse(refused.message, verified=verified)  # only the domain may be the reason
        parse(refused.message, in_domain=True, verified=verified)
    elif refused.by == "market data":
        parse(refused.message, in_domain=True, verified=verified)
        Validator(Policy.of(Domain.MARKET_DATA)).accept(refused.message)
    else:
        raise ValueError(f"{refused.name} is to be refused by {refused.by!r}, which is nobody")


def _tlv_deviations(recorded: Recorded, message: Message) -> list[str]:
    if len(recorded.tlvs) != len(message.tlvs):
        return [f"has {len(message.tlvs)} TLVs instead of {len(recorded.tlvs)}"]
    found = []
    for number, (expected, tlv) in enumerate(zip(recorded.tlvs, message.tlvs, strict=True)):
        framing = {"type": expected["type"], "length": expected["length"], "extended": expected.get("extended", False)}
        framed = {"type": tlv.type, "length": len(tlv.value), "extended": tlv.extended}
        found += _differences(f"TLV {number}", framing, framed) or _value_deviations(f"TLV {number}", expected, tlv)
    return found


def _value_deviations(where: str, expected: Mapping[str, Any], tlv: Tlv) -> list[str]:
    if "value" in expected:
        return _differences(where, {"value": bytes.fromhex(expected["value"])}, {"value": tlv.value})
    layout = LAYOUTS[expected["type"]]
    try:
        value = layout.unpack(tlv.value)
    except MessageProblem as problem:
        return [f"{where} was refused: {_sentence(problem)}"]
    found = _differences(where, expected["fields"], {key: plain(field) for key, field in vars(value).items()})
    if value.pack() != tlv.value:
        found.append(f"{where} is packed as {value.pack().hex()} instead of {tlv.value.hex()}")
    return found


def _batch_deviations(recorded: Recorded, message: Message) -> list[str]:
    """How the batched parser reads the message other than the scalar one; it stands between two others."""
    batch = batched.parse(recorded.message * 3)
    if batch.wrong is not None:
        return [f"was refused in a batch: {batch.wrong}"]
    if len(batch.headers) != 3:
        return [f"is {len(batch.headers)} messages in a batch of three"]
    start, stop = batch.tlvs_of(1)
    tlvs = tuple(batch.tlv(row) for row in range(start, stop))
    found = _differences("header in a batch", message.header._asdict(), batch.header(1)._asdict())
    return found if tlvs == message.tlvs else [*found, f"has {tlvs} in a batch"]


def _rebuilding_deviations(recorded: Recorded, message: Message) -> list[str]:
    header = message.header
    try:
        built = build(
            header.domain,
            header.source,
            header.sequence,
            header.timestamp_ns,
            message.tlvs,
            flags=header.flags,
            checked=header.checksum != ABSENT,
        )
    except (ValueError, MessageProblem) as problem:
        return [f"cannot be built again: {problem}"]
    return [] if built == recorded.message else [f"is built as {built.hex()}"]


def _differences(what: str, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    names = list(dict.fromkeys((*expected, *actual)))
    return [
        f"{what}: {name} is {actual.get(name, 'not there')!r} instead of {expected.get(name, 'none')!r}"
        for name in names
        if name not in actual or name not in expected or actual[name] != expected[name]
    ]


def _sentence(problem: MessageProblem) -> str:
    return f"{type(problem).__name__}: {problem}"
