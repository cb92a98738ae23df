"""The pages for those who run the gateway: health, readiness, metrics."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from reference.fraiseql.gateway.metrics import Metrics
from reference.fraiseql.gateway.web.cache import AnswerCache
from reference.fraiseql.gateway.web.database import Database
from reference.fraiseql.gateway.web.refusals import Refusal

VERSION = "1.0.0"


class Pages:
    """Answers what is true now.

    Args:
        database: what must answer.
        cache: what should answer; None where there is none.
        metrics: what was counted.
        token: who reads the metrics shows it; None: nobody reads them.
        schema_hash: which schema is served.
    """

    def __init__(
        self, database: Database, cache: AnswerCache | None, metrics: Metrics, token: str | None, schema_hash: str
    ) -> None:
        self._database, self._cache, self._metrics = database, cache, metrics
        self._token, self._schema_hash = token, schema_hash

    async def healthy(self) -> bool:
        """Whether the database answers, for the page of health."""
        return await self._database.answers()

    async def ready(self) -> bool:
        """Whether the database answers, for the page of readiness."""
        return await self._database.answers()

    async def health(self, _request: Request) -> Response:
        """GET /health: 503 without the database; degraded, but served, without the cache."""
        connected = await self.healthy()
        active, idle = self._database.connections
        content: dict[str, Any] = {
            "status": "healthy" if connected else "unhealthy",
            "database": {
                "connected": connected,
                "database_type": "postgresql",
                "active_connections": active,
                "idle_connections": idle,
            },
            "version": VERSION,
            "schema_hash": self._schema_hash,
        }
        if self._cache is not None:
            content["cache"] = {"connected": await self._cache.answers()}
            if connected and not content["cache"]["connected"]:
                content["status"] = "degraded"
        return _json(content, 200 if connected else 503)

    async def readiness(self, _request: Request) -> Response:
        """GET /readiness."""
        if await self.ready():
            return _json({"status": "ready"}, 200)
        return _json({"status": "not_ready", "reason": "the database does not answer"}, 503)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics, for who has the token."""
        if self._token is None:
            return refusal(Refusal("NOT_FOUND", "Metrics are not enabled"))
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not given:
            challenge = {"WWW-Authenticate": "Bearer"}
            return refusal(Refusal("UNAUTHENTICATED", "Send the token of the metrics as a bearer", headers=challenge))
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return refusal(Refusal("FORBIDDEN", "This is not the token of the metrics"))
        return Response(self._metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def refusal(found: Refusal) -> Response:
    """Return a refusal as a response."""
    return Response(found.body(), found.status, found.headers, "application/json")


def _json(content: object, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
