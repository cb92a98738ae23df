"""Keywords of a GraphQL gateway over HTTP that RequestsLibrary has no words for."""

from GatewayLibrary.keywords.library import GatewayLibrary

__all__ = ["GatewayLibrary"]
