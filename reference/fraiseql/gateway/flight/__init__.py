"""The Flight side of the gateway: rows as Arrow batches over gRPC."""
