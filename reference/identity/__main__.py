"""Start the issuer: `python reference/identity/__main__.py --help`.

It answers what a server needs that checks identity tokens: where the keys are, and the keys. Tokens themselves are made
by whoever holds the private key: for a criterion there must be wrong ones too.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import RSAAlgorithm

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/jwks.json"


def documents(issuer: str, key: Path, key_id: str) -> dict[str, dict[str, Any]]:
    """Return what the issuer answers, by path.

    Args:
        issuer: its URL.
        key: RSA private key, PEM; only its public half is given away.
        key_id: that tokens name in their header.
    """
    private = load_pem_private_key(key.read_bytes(), password=None)
    public = json.loads(RSAAlgorithm.to_jwk(private.public_key()))  # type: ignore[arg-type]  # the file holds an RSA key
    return {
        DISCOVERY: {
            "issuer": issuer,
            "jwks_uri": f"{issuer}{KEYS}",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        },
        KEYS: {"keys": [{**public, "kid": key_id, "use": "sig", "alg": "RS256"}]},
    }


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    options = _options()
    issuer = f"http://{options.host}:{options.port}"
    answers = documents(issuer, options.key, options.key_id)

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path)
            body = json.dumps(found or {"error": "not_found"}).encode()
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((options.host, options.port), Issuer) as server:
        print(f"ready: {issuer}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="identity", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", type=Path, required=True, help="RSA private key, PEM")
    parser.add_argument("--key-id", required=True, help="that tokens name in their header")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
