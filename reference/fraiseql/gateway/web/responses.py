"""Sending what there is, in pieces that are given away as they go."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Send

from reference.fraiseql.gateway.web.answers import Answer

JSON = "application/json"


async def respond(
    send: Send, status: int, answer: Answer, headers: Mapping[str, str] | None = None, kind: str = JSON
) -> None:
    """Send a whole response; waits where the client reads slowly."""
    named = {"Content-Type": kind, "Content-Length": str(answer.size), **(headers or {})}
    encoded = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    while len(answer.pieces) > 1:
        await send({"type": "http.response.body", "body": answer.pieces.popleft(), "more_body": True})
    await send({"type": "http.response.body", "body": answer.pieces.popleft()})
