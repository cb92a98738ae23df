"""What the vendor's server does otherwise, for `compat = "upstream"`."""

from __future__ import annotations

from starlette.types import Send

from reference.fraiseql.gateway.web.answers import Answer
from reference.fraiseql.gateway.web.graphql import GraphQL
from reference.fraiseql.gateway.web.refusals import BodyRefusal, Refusal
from reference.fraiseql.gateway.web.responses import respond


class UpstreamGraphQL(GraphQL):
    """Refuses a body that is too large, no JSON or a list in plain text."""

    async def refuse(self, refusal: Refusal, send: Send) -> None:
        """See `GraphQL.refuse`."""
        if isinstance(refusal, BodyRefusal):
            text = Answer([refusal.message.encode()])
            await respond(send, refusal.status, text, refusal.headers, "text/plain; charset=utf-8")
        else:
            await super().refuse(refusal, send)
