"""HTTP as uvicorn speaks it, but that what is no HTTP is refused in JSON too."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from reference.fraiseql.gateway.web.refusals import Refusal

_LONGEST_URL = 65_535  # bytes; what the parser can take


class Protocol(HttpToolsProtocol):
    """One connection."""

    url = b""

    def send_400_response(self, msg: str) -> None:
        """See `HttpToolsProtocol.send_400_response`."""
        refusal = Refusal("REQUEST_ERROR", msg)
        if len(self.url) > _LONGEST_URL:
            refusal = Refusal("PAYLOAD_TOO_LARGE", f"The URL is longer than {_LONGEST_URL} bytes; send it by POST")
        body = refusal.body()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[refusal.status] + head + body)
        self.transport.close()
