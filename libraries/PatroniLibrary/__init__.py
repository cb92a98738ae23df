"""Keywords that ask and command Patroni over its REST API."""

from PatroniLibrary.keywords import PatroniLibrary

__all__ = ["PatroniLibrary"]
