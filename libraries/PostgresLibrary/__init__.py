"""Keywords for what a client of the cluster's PostgreSQL does and what it may expect."""

from PostgresLibrary.keywords import PostgresLibrary

__all__ = ["PostgresLibrary"]
