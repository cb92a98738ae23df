"""Keywords for searches of nearest neighbours in the cluster's vector extension."""

from VectorLibrary.keywords import VectorLibrary

__all__ = ["VectorLibrary"]
