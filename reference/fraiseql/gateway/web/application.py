"""The HTTP application: its paths, and what is around every request."""

from __future__ import annotations

import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference.fraiseql.gateway.metrics import Metrics
from reference.fraiseql.gateway.web.graphql import GraphQL
from reference.fraiseql.gateway.web.pages import Pages, refusal
from reference.fraiseql.gateway.web.refusals import Refusal


def application(graphql: GraphQL, pages: Pages, metrics: Metrics) -> ASGIApp:
    """Put the paths together."""
    served = Starlette(
        routes=[
            Route("/graphql", graphql),
            Route("/health", pages.health),
            Route("/readiness", pages.readiness),
            Route("/metrics", pages.metrics),
        ],
        exception_handlers={404: _not_found, 405: _not_allowed, Exception: _failed},
    )
    return Counted(served, metrics)


class Counted:
    """Counts requests and how they were answered."""

    def __init__(self, served: ASGIApp, metrics: Metrics) -> None:
        self._served, self._metrics = served, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = time.perf_counter(), 0

        async def counting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._metrics.request(status, time.perf_counter() - began)
            await send(message)

        await self._served(scope, receive, counting)


async def _not_found(request: Request, _: Exception) -> Response:
    return refusal(Refusal("NOT_FOUND", f"There is nothing at {request.url.path}"))


async def _not_allowed(request: Request, error: Exception) -> Response:
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return refusal(Refusal("METHOD_NOT_ALLOWED", f"{request.method} is not served here", headers=headers))


async def _failed(_request: Request, _error: Exception) -> Response:
    return refusal(Refusal("INTERNAL_SERVER_ERROR", "The gateway failed"))
