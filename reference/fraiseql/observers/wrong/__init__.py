"""Parts of an observer that behave wrongly on purpose, by subject; `switch.py` puts them in their places."""
