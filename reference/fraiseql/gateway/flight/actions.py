"""Actions: what clients may have done, besides asking for rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.columns import ColumnStore
from reference.fraiseql.gateway.flight.database import Database
from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.tokens import Session

VERSION = "1.0.0"
_ADMIN = "admin"  # the scope that is needed for all but HealthCheck


class Actions:
    """Runs actions.

    Args:
        store: the views.
        database: what has to be there for the gateway to be healthy.
    """

    def __init__(self, store: ColumnStore, database: Database) -> None:
        self._store, self._database = store, database
        self._known: Mapping[str, tuple[str, Callable[[Patience], bytes]]] = {
            "ClearCache": ("Forget what is kept of views (scope admin)", self._clear),
            "RefreshSchemaRegistry": ("Look the views up again and read them (scope admin)", self._refresh),
            "GetSchemaVersions": ("Views that were read, and their states (scope admin)", self._versions),
            "HealthCheck": ("Whether the database answers", self._health),
        }

    def listed(self) -> list[fl.ActionType]:
        """What there is."""
        return [fl.ActionType(name, text) for name, (text, _) in self._known.items()]

    def run(self, name: str, session: Session, patience: Patience) -> bytes:
        """Run an action and return its answer.

        Raises:
            Refused: there is none of this name.
            FlightUnauthorizedError: it needs the scope admin.
        """
        if name not in self._known:
            raise Refused(f"There is no action {name}; there are {', '.join(self._known)}")
        if name != "HealthCheck" and _ADMIN not in session.scopes:
            raise fl.FlightUnauthorizedError(f"{name} needs the scope {_ADMIN}")
        return self._known[name][1](patience)

    def _clear(self, _patience: Patience) -> bytes:
        self._store.clear()
        return b"Cache cleared"

    def _refresh(self, patience: Patience) -> bytes:
        self._store.clear()
        for name in self._store.names:
            self._store.snapshot(name, patience)
        return _json({"success": True, "message": f"{len(self._store.names)} views read"})

    def _versions(self, _patience: Patience) -> bytes:
        schemas = [
            {"view_name": name, "version": state, "created_at": datetime.fromtimestamp(since, UTC).isoformat()}
            for name, (since, state) in self._store.known().items()
        ]
        return _json({"schemas": schemas, "count": len(schemas)})

    def _health(self, patience: Patience) -> bytes:
        with self._database.transaction("READ ONLY", patience) as session:
            session.run("SELECT 1", patience)
        return _json({"status": "healthy", "version": VERSION, "timestamp": int(time.time())})


def _json(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content)
