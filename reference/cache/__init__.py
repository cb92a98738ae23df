"""The cache client under test: rows of one table, cached in Redis, spoken to over HTTP. See README.md."""
