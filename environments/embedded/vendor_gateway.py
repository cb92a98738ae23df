"""The vendor's own FraiseQL server as a gateway: its configuration, and what it needs in the database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2

from environments import toml
from environments.config import ROOT
from environments.embedded.gateway import (
    COMPLEXITY,
    MAX_DEPTH,
    SCHEMA,
    Behind,
    GatewaySecrets,
    gateway_missing,
)
from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.vendor import CLI, KEY, VendorPrograms
from environments.errors import EnvironmentProblem
from environments.fraiseql import UPLOAD_TABLE, VIEWS
from environments.fraiseql.vendor.author import vendor_schema
from environments.system import Endpoint

_DATABASE_VIEWS = ROOT / "environments" / "fraiseql" / "vendor" / "views.sql"
_COMPILER_SECONDS = 60


class VendorGateway(EmbeddedService):
    """One `fraiseql-server`, which answers over HTTP and over Arrow Flight.

    When it starts it types each of `VIEWS` by one of its rows, and serves none that is empty then: the rows have to be
    there before. Redis and ClickHouse are not behind it.
    """

    def __init__(
        self,
        home: Home,
        programs: VendorPrograms,
        endpoints: tuple[Endpoint, Endpoint],
        secrets: GatewaySecrets,
        behind: Behind,
    ) -> None:
        super().__init__(home)
        self.programs, self.secrets, self.behind = programs, secrets, behind
        self.http, self.flight = endpoints
        self.schema = self.directory / "schema.compiled.json"

    def provision(self) -> None:
        """Put the vendor's functions and our views into the database, and compile the schema. Before the first start.

        Raises:
            EnvironmentProblem: the compiler or the database refused; one line that says why.
        """
        self._compiler("setup")
        try:
            with closing(psycopg2.connect(self.behind.database_url)) as session, session, session.cursor() as cursor:
                cursor.execute(_DATABASE_VIEWS.read_text(encoding="utf-8"))
        except psycopg2.Error as error:
            reason = str(error).strip().partition("\n")[0]
            raise EnvironmentProblem(f"{KEY}: its views cannot be made ({reason}); read {_DATABASE_VIEWS}") from None
        authored = self.directory / "schema.json"
        authored.write_text(json.dumps(vendor_schema(SCHEMA.read_text(encoding="utf-8"))), encoding="utf-8")
        self._compiler("compile", str(authored), "--output", str(self.schema))

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        file = self.directory / "server.toml"
        self.configure(file)
        variables = {
            "FLIGHT_SESSION_SECRET": self.secrets.session.value,
            "FRAISEQL_ENV": "development",  # it would want HTTPS of the issuer
            "FRAISEQL_MAX_PAGE_SIZE": "0",
            "FRAISEQL_RATE_LIMITING_ENABLED": "false",
        }
        return [str(self.programs.server), "--config", str(file)], variables

    def configure(self, file: Path) -> None:
        """Write its configuration file."""
        top: toml.Table = {
            "database_url": self.behind.database_url,
            "schema_path": str(self.schema),
            "bind_addr": str(self.http),
            "flight_bind_addr": str(self.flight),
            "flight_views": list(VIEWS),
            "flight_upload_tables": [UPLOAD_TABLE],
            "cache_enabled": False,  # with it, the server does not start when a table can be uploaded to
            "cors_enabled": False,
            "metrics_enabled": True,
            "metrics_token": self.secrets.metrics.value,
        }
        sections: dict[str, toml.Table] = {
            "validation": {"max_query_depth": MAX_DEPTH, "max_query_complexity": COMPLEXITY}
        }
        if self.behind.issuer is not None:
            identity = self.behind.issuer.identity
            sections["auth"] = {
                "issuer": identity.issuer,
                "audience": identity.audience,
                "jwks_uri": self.behind.issuer.keys,
                "required": False,  # over HTTP; Flight needs a session token either way
            }
        toml.write(file, top, sections)

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: its health page knows nothing of Flight, which is asked for itself."""
        return gateway_missing(self.http, self.flight)

    def _compiler(self, *arguments: str) -> None:
        """Run the compiler in a directory of its own: it takes settings from a fraiseql.toml there or above."""
        done = subprocess.run(
            [str(self.programs.cli), *arguments],
            cwd=self.directory,
            env={**os.environ, "DATABASE_URL": self.behind.database_url},
            capture_output=True,
            text=True,
            timeout=_COMPILER_SECONDS,
        )
        if done.returncode != 0:
            reason = " ".join((done.stderr or done.stdout).split())
            raise EnvironmentProblem(f"{KEY}: {CLI} {arguments[0]} failed ({reason}); mend what it names")
