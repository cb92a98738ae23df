"""The reference observers: events of one JetStream stream into ClickHouse and into a search engine. See README.md."""
