"""The reference FraiseQL system: a GraphQL and Arrow Flight gateway, and observers of its events."""
