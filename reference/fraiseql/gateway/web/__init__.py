"""The HTTP side of the gateway: requests, answers, errors, and the pages of health and metrics."""
