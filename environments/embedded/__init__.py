"""The embedded environment: real servers as child processes on loopback, one module a service."""
