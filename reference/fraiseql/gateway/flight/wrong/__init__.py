"""Parts that behave wrongly on purpose."""
