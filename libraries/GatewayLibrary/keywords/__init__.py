"""The keyword classes, by subject."""
