"""Judging: pure functions from recorded histories to findings. No input or output but reading a history."""
