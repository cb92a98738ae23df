"""The classes that the Flight side is made of; a defect puts another one in the place of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reference.fraiseql.gateway.flight import tickets
from reference.fraiseql.gateway.flight.answers import Answers
from reference.fraiseql.gateway.flight.calls import Calls, Slots
from reference.fraiseql.gateway.flight.columns import ColumnStore
from reference.fraiseql.gateway.flight.events import EventAnswers
from reference.fraiseql.gateway.flight.parts_of_views import ViewAnswers
from reference.fraiseql.gateway.flight.rows import Outflow
from reference.fraiseql.gateway.flight.tokens import SessionTokens
from reference.fraiseql.gateway.flight.uploads import Uploads
from reference.fraiseql.gateway.statements import Statements


@dataclass(frozen=True)
class Parts:
    """One class for each part; `decode` makes what reads tickets."""

    decode: Callable[[], Callable[[bytes], tickets.Ticket]] = field(default=lambda: tickets.decode)
    tokens: type[SessionTokens] = SessionTokens
    calls: type[Calls] = Calls
    slots: type[Slots] = Slots
    answers: type[Answers] = Answers
    outflow: type[Outflow] = Outflow
    store: type[ColumnStore] = ColumnStore
    views: type[ViewAnswers] = ViewAnswers
    events: type[EventAnswers] = EventAnswers
    uploads: type[Uploads] = Uploads
    statements: type[Statements] = Statements
