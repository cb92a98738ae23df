"""Keywords that ask HAProxy, and those behind it, where connections go."""

from HAProxyLibrary.keywords import HAProxyLibrary

__all__ = ["HAProxyLibrary"]
