"""The OpenID Connect issuer that gives identity tokens their meaning."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from environments.config import ROOT
from environments.embedded.processes import EmbeddedService, Home
from environments.system import Endpoint, Identity

PROGRAM = ROOT / "reference" / "identity" / "__main__.py"
AUDIENCE = "fraiseql"
KEY_ID = "acceptance"


class Issuer(EmbeddedService):
    """An issuer with a key of its own, made anew for each run."""

    def __init__(self, home: Home, endpoint: Endpoint) -> None:
        super().__init__(home)
        self.endpoint = endpoint
        self.identity = Identity(f"http://{endpoint}", AUDIENCE, self.directory / "key.pem", KEY_ID)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.identity.key.touch(mode=0o600)
        self.identity.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def keys(self) -> str:
        """URL of its public keys."""
        return f"{self.identity.issuer}/jwks.json"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        port, key = str(self.endpoint.port), str(self.identity.key)
        return [sys.executable, str(PROGRAM), "--port", port, "--key", key, "--key-id", KEY_ID], {}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            requests.get(self.keys, timeout=1).raise_for_status()
        except requests.RequestException as error:
            return f"the issuer does not answer on {self.endpoint} ({type(error).__name__})"
        return None
