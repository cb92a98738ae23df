"""The reference Mycelium broker: topics over a Unix socket, spoken to in MYC-wire/1. See README.md."""
