"""Towards the mirror: queues, sessions and the order of what is written."""
