"""Keywords for PgDog, and what they are made of: metrics of both dialects, readiness, contents, clients."""

from PgDogLibrary.keywords.library import PgDogLibrary

__all__ = ["PgDogLibrary"]
