"""The external environment: systems that already run. No life cycle, and faults only through what they offer."""
