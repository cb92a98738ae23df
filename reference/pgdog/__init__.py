"""A mirror proxy for PostgreSQL: what clients commit on a primary is replayed on a second server."""
