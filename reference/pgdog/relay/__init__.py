"""Between client and primary: every byte is passed on, and what takes effect is recorded."""
