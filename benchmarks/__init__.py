"""Benchmarks: run by hand, never part of a test. Their numbers stand in docs/benchmarks.md."""
