"""How a connection is closed."""

from __future__ import annotations

import socket


def hang_up(connection: socket.socket, scratch: memoryview) -> None:
    """Close so that the other end sees an orderly end: what it sent and nobody read would reset the connection."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
        while connection.recv_into(scratch):
            pass
    except OSError:
        pass  # it is gone already
    connection.close()
