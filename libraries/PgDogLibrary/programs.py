"""Programs of PostgreSQL's own as clients: psql and pgbench."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from PostgresLibrary.sessions import Target


def run(
    program: Path, options: Sequence[str], target: Target, script: str = "", *, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it wrote is kept.

    Args:
        program: a client that knows libpq's environment variables.
        options: of the program.
        target: where it connects to, without TLS.
        script: that it reads.
        seconds: it may take.

    Raises:
        AssertionError: it ended with an error or took too long.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    own |= {
        "PGHOST": target.endpoint.host,
        "PGPORT": str(target.endpoint.port),
        "PGDATABASE": target.database,
        "PGUSER": target.login.user,
        "PGPASSWORD": target.login.password.value,
        "PGSSLMODE": "disable",
    }
    command = [str(program), *options]
    try:
        done = subprocess.run(
            command, input=script, env=own, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{program.name} did not end within {seconds:g} s") from None
    if done.returncode:
        raise AssertionError(f"{program.name} ended with status {done.returncode}: {done.stderr.strip()[-400:]}")
    return done
