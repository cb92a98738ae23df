"""What a request asks for: read from POST and GET, and refused in the words of HTTP where it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from reference.fraiseql.gateway.web.refusals import BodyRefusal, Refusal

LARGEST_BODY = 1 << 20  # bytes
_MOST_VARIABLES = 1000
# bytes of a body that is too large: a client reads no answer before it has sent its request
_READ_BEFORE_REFUSAL = 16 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A GraphQL request."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    may_change: bool


class Reader:
    """Reads requests."""

    largest_body: float = LARGEST_BODY

    async def read(self, request: Request) -> Asked:
        """Return what a request asks for.

        Raises:
            Refusal: it cannot be read.
        """
        if request.method == "POST":
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if not self.takes(kind):
                raise Refusal("UNSUPPORTED_MEDIA_TYPE", f"Content-Type is '{kind}'; send application/json")
            return self._of_body(await self._body(request))
        return self._of_query(request)

    def takes(self, kind: str) -> bool:
        """Whether a body of this content type is read."""
        return kind == "application/json"

    async def _body(self, request: Request) -> bytes:
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                if size <= self.largest_body:
                    parts.append(part)
                elif size > _READ_BEFORE_REFUSAL:
                    break
        except ClientDisconnect:
            raise Refusal("REQUEST_ERROR", "The body ended too early") from None
        if size > self.largest_body:
            raise BodyRefusal(
                "PAYLOAD_TOO_LARGE", f"The body is larger than {LARGEST_BODY} bytes", headers={"Connection": "close"}
            )
        return b"".join(parts)

    def _of_body(self, body: bytes) -> Asked:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BodyRefusal("REQUEST_ERROR", f"The body is not JSON: {error}") from None
        if isinstance(content, list):
            raise BodyRefusal("UNPROCESSABLE", "Several requests in one are not served; send them one by one")
        if not isinstance(content, dict):
            raise Refusal("REQUEST_ERROR", "The body is not a JSON object")
        return self._checked(content, may_change=True)

    def _of_query(self, request: Request) -> Asked:
        content: dict[str, Any] = dict(request.query_params)
        try:
            content["variables"] = orjson.loads(content.get("variables") or "null")
        except orjson.JSONDecodeError as error:
            raise Refusal("REQUEST_ERROR", f"variables is not JSON: {error}") from None
        return self._checked(content, may_change=False)

    def _checked(self, content: dict[str, Any], *, may_change: bool) -> Asked:
        query, name = content.get("query"), content.get("operationName")
        variables = content.get("variables")
        if not isinstance(query, str) or not query.strip():
            raise Refusal("REQUEST_ERROR", "There is no query")
        if name is not None and not isinstance(name, str):
            raise Refusal("REQUEST_ERROR", "operationName is not a text")
        if variables is not None and not isinstance(variables, dict):
            raise Refusal("REQUEST_ERROR", "variables is not a JSON object")
        if len(variables or {}) > _MOST_VARIABLES:
            raise Refusal("REQUEST_ERROR", f"There are more than {_MOST_VARIABLES} variables")
        return Asked(query, variables or {}, name or None, may_change)
