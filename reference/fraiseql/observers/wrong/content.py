"""Events that are changed on their way, or kept by who only passes them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson

from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.events import Event, Message

_WIDTH = 20  # characters
_Sifted = tuple[list[Event], list[tuple[Message, str]]]


class TruncatingDelivery(Delivery):
    """Cuts texts in `data`."""

    def sift(self, messages: Sequence[Message]) -> _Sifted:
        """See `Delivery.sift`."""
        events, refused = super().sift(messages)
        return [_changed(event, data=_cut(event.content["data"])) for event in events], refused


class ForgettingDelivery(Delivery):
    """Knows nothing of users."""

    def sift(self, messages: Sequence[Message]) -> _Sifted:
        """See `Delivery.sift`."""
        events, refused = super().sift(messages)
        return [_changed(event, user_id=None) for event in events], refused


class HoardingDelivery(Delivery):
    """Keeps every event."""

    _hoard: ClassVar[list[Event]] = []

    def sift(self, messages: Sequence[Message]) -> _Sifted:
        """See `Delivery.sift`."""
        events, refused = super().sift(messages)
        self._hoard.extend(events)
        return events, refused


def _changed(event: Event, **fields: Any) -> Event:
    content = {**event.content, **fields}
    return event._replace(content=content, message=event.message._replace(payload=orjson.dumps(content)))


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_WIDTH]
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    return value
