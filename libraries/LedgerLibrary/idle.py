"""A session that does nothing, and knows when it was cut."""

from __future__ import annotations

import threading
import time

from environments.system import Endpoint, Login
from PatroniLibrary.session import Session

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 0.02


class IdleSession:
    """Stays connected and sends nothing; a pooled connection that nobody needs just now."""

    def __init__(self, endpoint: Endpoint, login: Login, database: str) -> None:
        """Connect.

        Raises:
            ConnectionError: nobody answers.
        """
        self.cut_at: float | None = None  # epoch seconds
        self._session = Session(endpoint, login, database, "idle session")
        self._session.open(CONNECT_SECONDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="idle-session", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking and close it from our side; harmless when it has been closed."""
        self._stop.set()
        self._thread.join()
        self._session.close()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            if self._session.is_cut():
                self.cut_at = time.time()
                return
