"""The gateway: GraphQL over HTTP and Arrow Flight in front of PostgreSQL."""
