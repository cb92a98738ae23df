"""A client and a primary that say what a test makes them say, to a recorder."""

from reference.pgdog import protocol
from reference.pgdog.memory import Budget
from reference.pgdog.mirror.unit import Statement, Unit
from reference.pgdog.relay.client import Client
from reference.pgdog.relay.primary import Primary
from reference.pgdog.relay.recorder import Recorder


class Deaf:
    """Stands for the client's connection: only what is recorded matters."""

    def write(self, data): ...
    def logged_in(self): ...


class Script:
    """Feeds a recorder; `units` are what took effect."""

    def __init__(self, limit=1 << 20, kind=Recorder):
        self.units: list[Unit] = []
        self.budget = Budget(limit)
        self.recorder = kind(self.budget, self.units.append, dict)
        client: Client = Deaf()  # type: ignore[assignment]
        self.primary = Primary(client, self.recorder)
        self.primary.data_received(protocol.frame(b"Z", b"I"))

    def ask(self, *parts):
        for part in parts:
            self.recorder.sent(part if isinstance(part, bytes) else protocol.query(part.encode()))

    def answer(self, *parts):
        """A tag, `!` and an SQLSTATE, `=` and the state of the transaction, or the letter of another answer."""
        stream = b""
        for part in parts:
            if part[0] == "!":
                stream += protocol.frame(b"E", f"SERROR\0C{part[1:]}\0\0".encode())
            elif part[0] == "=":
                stream += protocol.frame(b"Z", part[1:].encode())
            elif len(part) == 1:
                stream += protocol.frame(part.encode(), b"\0\0\0")
            else:
                stream += protocol.frame(b"C", part.encode() + b"\0")
        self.primary.data_received(stream)

    def did(self, text, *answers):
        self.ask(text)
        self.answer(*answers)

    @property
    def texts(self):
        """What each unit would send: query texts and letters of other frames."""
        return [[self.text_of(step) for step in unit.steps] for unit in self.units]

    @staticmethod
    def text_of(step):
        frames = [part for part in step.frames if part != protocol.SYNC]
        return " + ".join(Script.word(part) for part in frames)

    @staticmethod
    def word(part):
        if isinstance(part, Statement):
            return f"<{part.text.decode()}>"
        return part[5:-1].decode() if part[0] == ord("Q") else chr(part[0])


def parse(name, text):
    return protocol.frame(b"P", f"{name}\0{text}\0".encode() + b"\0\0")


def bind(name, portal=""):
    return protocol.frame(b"B", f"{portal}\0{name}\0".encode() + b"\0\0\0\0\0\0")


def execute(portal=""):
    return protocol.frame(b"E", f"{portal}\0".encode() + b"\0\0\0\0")


def describe(name):
    return protocol.frame(b"D", f"S{name}\0".encode())


def close(name):
    return protocol.close_statement(name.encode())


def data(text):
    return protocol.frame(b"d", text.encode())


COPY_DONE, COPY_FAIL = protocol.frame(b"c"), protocol.frame(b"f", b"no\0")
SYNC, FLUSH = protocol.SYNC, protocol.frame(b"H")
