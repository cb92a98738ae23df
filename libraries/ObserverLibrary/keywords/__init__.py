"""The keyword classes of this library, one a subject; `library` joins them."""
