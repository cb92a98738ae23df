"""Requests that are read, run or answered wrongly."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from graphql import REMOVE, GraphQLError, Visitor, VisitorAction, parse, print_ast, visit
from starlette.types import Receive, Scope, Send

from reference.fraiseql.gateway.planner import Plan
from reference.fraiseql.gateway.web.answers import Answer, Rows, put_together
from reference.fraiseql.gateway.web.cache import AnswerCache
from reference.fraiseql.gateway.web.graphql import GraphQL
from reference.fraiseql.gateway.web.refusals import Refusal
from reference.fraiseql.gateway.web.requests import Asked, Reader
from reference.fraiseql.gateway.web.responses import respond

_STALLS_EACH = 500  # requests
_STALL_SECONDS = 1.0
_BLIND_SECONDS = 5.0
_DIRECTIVE = re.compile(r"@(?:skip|include)\([^)]*\)")


class WithoutLastRow(Rows):
    """Ends before the last row."""

    def end(self) -> None:
        """See `Rows.end`."""
        del self._part[self._part.rfind(b"\n", 0, -1) + 1 :]
        super().end()


class BlamingItself(GraphQL):
    """Answers mistakes in documents as failures of the server."""

    async def refuse(self, refusal: Refusal, send: Send) -> None:
        """See `GraphQL.refuse`."""
        status = 500 if refusal.status == 200 else refusal.status
        await respond(send, status, Answer([refusal.body()]), refusal.headers)


class SwallowingErrors(GraphQL):
    """Has no rows where it has no answer."""

    _plan: Plan | None = None

    async def refuse(self, refusal: Refusal, send: Send) -> None:
        """See `GraphQL.refuse`."""
        fields = self._plan.fields if self._plan else ()
        await respond(send, 200, put_together((field.response_name, True, Rows()) for field in fields))

    def planned(self, asked: Asked) -> Plan:
        """See `GraphQL.planned`."""
        self._plan = None
        self._plan = super().planned(asked)
        return self._plan


class FirstVariables(GraphQL):
    """Plans each text once."""

    def planned(self, asked: Asked) -> Plan:
        """See `GraphQL.planned`."""
        self._plans: dict[str, Plan] = getattr(self, "_plans", {})
        if asked.query not in self._plans:
            self._plans[asked.query] = super().planned(asked)
        return self._plans[asked.query]


class WithoutDirectives(GraphQL):
    """Runs what a directive leaves out."""

    def planned(self, asked: Asked) -> Plan:
        """See `GraphQL.planned`."""
        return super().planned(replace(asked, query=_DIRECTIVE.sub("", asked.query)))


class WithoutInlineFragments(GraphQL):
    """Leaves out what stands in fragments without a name."""

    def planned(self, asked: Asked) -> Plan:
        """See `GraphQL.planned`."""
        try:
            document = visit(parse(asked.query), _DropInlineFragments())
        except GraphQLError:
            return super().planned(asked)  # which says what is wrong with it
        return super().planned(replace(asked, query=print_ast(document)))


class _DropInlineFragments(Visitor):
    def enter_inline_fragment(self, *_: object) -> VisitorAction:
        return REMOVE


class Hoarding(GraphQL):
    """Keeps what it answered."""

    async def answer(self, asked: Asked, plan: Plan) -> Answer:
        """See `GraphQL.answer`."""
        found = await super().answer(asked, plan)
        self._kept: list[bytes] = getattr(self, "_kept", [])
        self._kept.append(b"".join(found.pieces))
        return found


class Stalling(GraphQL):
    """Waits now and then."""

    _requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `GraphQL.__call__`."""
        self._requests += 1
        if self._requests % _STALLS_EACH == 0:
            await asyncio.sleep(_STALL_SECONDS)
        await super().__call__(scope, receive, send)


class TrustingReader(Reader):
    """Lets GET change data."""

    def _checked(self, content: dict[str, object], *, may_change: bool) -> Asked:
        return super()._checked(content, may_change=True)


class CarelessReader(Reader):
    """Takes any body for JSON."""

    def takes(self, kind: str) -> bool:
        """See `Reader.takes`."""
        return True


class BoundlessReader(Reader):
    """Reads to the end of a body."""

    largest_body = math.inf


class StaleCache(AnswerCache):
    """Finds answers by what was asked alone."""

    def key(self, query: str, variables: object, operation: str | None, versions: Sequence[str]) -> str:
        """See `AnswerCache.key`."""
        return super().key(query, variables, operation, [])


class BlindAfterOutage(AnswerCache):
    """Takes what Redis held before it was away for new, for some seconds."""

    def key(self, query: str, variables: object, operation: str | None, versions: Sequence[str]) -> str:
        """See `AnswerCache.key`."""
        self._known: dict[str, Sequence[str]] = getattr(self, "_known", {})
        asked = super().key(query, variables, operation, [])
        if time.monotonic() >= self._rests_until + _BLIND_SECONDS:
            self._known[asked] = versions
        return super().key(query, variables, operation, self._known.get(asked, versions))


class PatientCache(AnswerCache):
    """Waits for Redis as long as most libraries do that are not told otherwise."""

    seconds = 3.0


class IndispensableCache(AnswerCache):
    """Gives no answer that it could not look for."""

    async def get(self, key: str) -> bytes | None:
        """See `AnswerCache.get`."""
        found = await super().get(key)
        if self.resting:
            raise ConnectionError("Redis does not answer")
        return found
