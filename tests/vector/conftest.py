"""A server of each major version that is supported."""

from __future__ import annotations

from tests.one_server import owner, server

__all__ = ["owner", "server"]
