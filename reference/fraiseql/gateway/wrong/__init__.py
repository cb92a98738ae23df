"""Parts of a gateway that are wrong on purpose."""
