-- Where the ClickHouse sink puts events. Ids are made of time (UUIDv7), so that this order is also the order of arrival and a
-- sink finds an id that it has already stored in the newest part of the table.
CREATE TABLE IF NOT EXISTS fraiseql_events (
    event_id String,
    event_type LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    timestamp DateTime64(6, 'UTC'),
    data String,
    user_id Nullable(String),
    tenant_id Nullable(String)
) ENGINE = MergeTree ORDER BY event_id
-- an insert that is repeated because its answer was lost is known by the token of its sink, and done once
SETTINGS non_replicated_deduplication_window = 1000
