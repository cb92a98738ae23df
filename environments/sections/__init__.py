"""The shape of an environment file: a module for what all parts share, and one for each system."""
