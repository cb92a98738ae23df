"""Free ports on loopback, chosen below the range the kernel gives to outgoing connections."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
_RANGE = range(15000, 32000)  # Linux hands out 32768 and above to clients, who would race us for a port
_ATTEMPTS = 200


class Ports:
    """Hands out each port once."""

    def __init__(self) -> None:
        self.given: set[int] = set()

    def choose(self, wanted: int | None = None) -> int:
        """Return the wanted port, or a free one.

        Raises:
            RuntimeError: no free port found in many attempts.
        """
        if wanted is not None:
            self.given.add(wanted)
            return wanted
        for _ in range(_ATTEMPTS):
            port = random.choice(_RANGE)
            if port not in self.given and is_free(port):
                self.given.add(port)
                return port
        raise RuntimeError(f"no free port between {_RANGE.start} and {_RANGE.stop}; stop some servers")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
