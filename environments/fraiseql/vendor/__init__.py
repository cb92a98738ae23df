"""The data under test as the vendor's server needs it: its schema, its views and its functions."""
