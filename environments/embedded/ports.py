"""Free ports on loopback, chosen below the range the kernel gives to outgoing connections."""

from __future__ import annotations

import random
import socket
from collections import deque

HOST = "127.0.0.1"
_RANGE = range(15000, 32000)  # Linux hands out 32768 and above to clients, who would race us for a port
_ATTEMPTS = 200
_MARKED = 200  # ports; several times what one system has

_marks: deque[socket.socket] = deque()
"""What keeps the last ports chosen by this process from every other run on this machine.

Between the choice of a port and its server's `bind`, and while a killed server is away, another run may choose the
same one. So a choice is marked for all to see: an abstract Unix socket with the port in its name, which the kernel
takes away with the process, and which belongs to the same network namespace as the port.
"""


class Ports:
    """Hands out each port once."""

    def __init__(self) -> None:
        self.given: set[int] = set()

    def choose(self, wanted: int | None = None) -> int:
        """Return the wanted port, or a free one that no other run has chosen.

        Raises:
            RuntimeError: no free port found in many attempts.
        """
        if wanted is not None:
            self.given.add(wanted)
            return wanted
        for _ in range(_ATTEMPTS):
            port = random.choice(_RANGE)
            if is_free(port) and _mark(port):
                self.given.add(port)
                return port
        raise RuntimeError(f"no free port between {_RANGE.start} and {_RANGE.stop}; stop some servers")


def _mark(port: int) -> bool:
    """Claim the port; False when somebody has."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0acceptance-port-{port}")
    except OSError:
        mark.close()
        return False
    _marks.append(mark)
    while len(_marks) > _MARKED:
        _marks.popleft().close()
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
