"""Parts of the proxy that behave wrongly on purpose, by subject; `replaced.py` puts them in their places."""
