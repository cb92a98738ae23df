"""The endpoint /graphql: a request is read, planned, run, and answered in PostgreSQL's own bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from reference.fraiseql.gateway.config import Limits
from reference.fraiseql.gateway.metrics import Metrics
from reference.fraiseql.gateway.planner import Plan, PlanProblem, plan
from reference.fraiseql.gateway.schema import Schema
from reference.fraiseql.gateway.statements import Statements
from reference.fraiseql.gateway.web.answers import Answer, Rows, put_together
from reference.fraiseql.gateway.web.cache import AnswerCache
from reference.fraiseql.gateway.web.database import DATABASE_ERRORS, Database
from reference.fraiseql.gateway.web.refusals import Refusal, of_database, of_plan
from reference.fraiseql.gateway.web.requests import Asked, Reader
from reference.fraiseql.gateway.web.responses import respond


class GraphQL:
    """Serves one schema.

    Args:
        schema: what is served.
        limits: what a document may ask for.
        database: where the rows are.
        cache: where answers may be; None for none.
        metrics: what counts.
        reader: what reads requests.
        statements: what writes SQL.
        rows: what takes the rows of one root field.
    """

    def __init__(
        self,
        schema: Schema,
        limits: Limits,
        database: Database,
        cache: AnswerCache | None,
        metrics: Metrics,
        reader: Reader,
        statements: type[Statements],
        rows: Callable[[], Rows],
    ) -> None:
        self._schema, self._limits, self._statements = schema, limits, statements
        self._database, self._cache, self._metrics = database, cache, metrics
        self._reader, self._rows = reader, rows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one whose client goes away is not answered, and what runs for it is ended."""
        request = Request(scope, receive)
        if scope["method"] not in ("GET", "POST"):
            refusal = Refusal("METHOD_NOT_ALLOWED", f"{scope['method']} is not served", headers={"Allow": "GET, POST"})
            await self.refuse(refusal, send)
            return
        try:
            asked = await self._reader.read(request)
        except Refusal as refusal:
            await self.refuse(refusal, send)
            return
        work = asyncio.ensure_future(self._counted(asked))
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await self._respond(work, send)
        except asyncio.CancelledError:
            if not work.done():  # else the response has begun, and breaks off as what is not whole must
                await self.refuse(Refusal("SERVICE_UNAVAILABLE", "The gateway is ending"), send)
        finally:
            gone.cancel()
            if work.cancel():
                with suppress(asyncio.CancelledError, Refusal):
                    await work

    async def refuse(self, refusal: Refusal, send: Send) -> None:
        """Send a refusal."""
        await respond(send, refusal.status, Answer([refusal.body()]), refusal.headers)

    def planned(self, asked: Asked) -> Plan:
        """Plan a request.

        Raises:
            Refusal: it cannot be planned, or may not be run.
        """
        try:
            found = plan(
                self._schema, asked.query, asked.variables, asked.operation_name, self._limits, self._statements
            )
        except PlanProblem as problem:
            raise of_plan(problem) from None
        if found.operation == "mutation" and not asked.may_change:
            raise Refusal("METHOD_NOT_ALLOWED", "A mutation is sent by POST", headers={"Allow": "POST"})
        return found

    async def answer(self, asked: Asked, plan: Plan) -> Answer:
        """Run a plan, or find its answer in the cache.

        Raises:
            Refusal: the database gives no answer.
        """
        try:
            key = await self._key(asked, plan)
            if self._cache and key:
                found = await self._cache.get(key)
                self._metrics.looked_up(found is not None)
                if found is not None:
                    return Answer([found])
            self._metrics.statements(len(plan.fields))
            rows = await self._database.run(plan, self._rows)
        except DATABASE_ERRORS as error:
            raise of_database(error) from error
        answer = put_together(
            (field.response_name, field.is_list, r) for field, r in zip(plan.fields, rows, strict=True)
        )
        if self._cache and key:
            await self._cache.keep(key, answer.pieces, answer.size)
        return answer

    async def _respond(self, work: asyncio.Future[Answer], send: Send) -> None:
        try:
            answer = work.result()
        except Refusal as refusal:
            await self.refuse(refusal, send)
        else:
            await respond(send, 200, answer)

    async def _counted(self, asked: Asked) -> Answer:
        began, operation, code = time.perf_counter(), "query", None
        try:
            found = self.planned(asked)
            operation = found.operation
            return await self.answer(asked, found)
        except Refusal as refusal:
            code = refusal.code
            raise
        finally:
            self._metrics.query(operation, time.perf_counter() - began, code)

    async def _key(self, asked: Asked, plan: Plan) -> str | None:
        """Return where the answer is in the cache; None where it cannot be, or Redis rests."""
        if self._cache is None or self._cache.resting or plan.operation != "query" or not plan.tables:
            return None
        self._metrics.statements(1)
        versions = await self._database.versions(plan.tables)
        return self._cache.key(asked.query, asked.variables, asked.operation_name, versions) if versions else None


async def _disconnect(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
