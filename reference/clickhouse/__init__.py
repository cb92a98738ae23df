"""ClickHouse's engine as a server: the HTTP interface in front of chdb, see README.md."""
