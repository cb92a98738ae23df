"""The reference mirror proxy: PostgreSQL in front, a second one that sees the same work behind. See README.md."""
