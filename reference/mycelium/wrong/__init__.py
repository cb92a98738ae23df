"""Parts of a broker that behave wrongly on purpose, by subject; `switch.py` puts them in their places."""
