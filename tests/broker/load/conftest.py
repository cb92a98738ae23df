from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from BrokerLibrary import wire
from BrokerLibrary.load import kernels
from BrokerLibrary.load.checking import Book, Checker, label_of, prefix_of
from environments.system import Running, use
from measurement.records import read_records

TOPIC, RUN = "perf_test", 77
BEGINNING = 50_000_000  # of row 0, in ns


@dataclass
class Channel:
    """A producer's frames and a checker for them, without sockets."""

    payload: int = 64
    producers: int = 1
    most: int = 1000
    checker: Checker = field(init=False)
    book: Book = field(init=False)

    def __post_init__(self):
        self.prefix = prefix_of(wire.Opcode.DELIVER, TOPIC, self.payload)
        self.book = Book.new(rows=4, row_ns=1_000_000)
        self.book.axis[0] = BEGINNING
        self.checker = Checker(self.prefix, self.payload, RUN, [self.most] * self.producers, self.book)

    @property
    def frame(self):
        return len(self.prefix) + self.payload

    def message(self, sequence, *, producer=0, run=RUN, intended=2_000, sent=3_000, topic=TOPIC, payload=None):
        """One frame, as its producer would send it."""
        size = payload or self.payload
        prefix = prefix_of(wire.Opcode.DELIVER, topic, size)
        buffer = np.zeros(len(prefix) + size, dtype=np.uint8)
        kernels.build(buffer, prefix, size, label_of(producer, run), sequence, intended, sent, 1)
        return buffer.tobytes()

    def messages(self, *sequences):
        return b"".join(self.message(sequence) for sequence in sequences)

    def check(self, data, now=5_000):
        """Feed bytes; return what the checker counted."""
        buffer = np.frombuffer(bytes(data), dtype=np.uint8).copy()
        self.rest = len(data) - self.checker.check(buffer, len(data), now)
        return self.checker.to_json()


@pytest.fixture
def channel():
    return Channel()


@pytest.fixture
def run(tmp_path):
    """A run whose directory is there, with a fingerprint and no system."""
    host = {"cpu": "some cpu", "cores": 2, "memory_mib": 1024, "kernel": "6"}
    services = [{"system": "broker", "name": "broker", "kind": "reference", "version": "1"}]
    fingerprint = {"run_id": "20261121-1200", "git": "abc1234", "host": host, "services": services}
    (tmp_path / "environment.json").write_text(json.dumps(fingerprint), encoding="utf-8")
    running = Running("embedded", "embedded", "quick", str(tmp_path), 1.0, seed=7, system_name="broker")
    use(running)
    yield running
    use(None)


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """What keywords say beside the verdict."""
    texts: list[str] = []
    monkeypatch.setattr("EnvironmentLibrary.telling.say", texts.append)
    for module in ("load", "latency", "codec_rate", "stress"):
        monkeypatch.setattr(f"BrokerLibrary.keywords.{module}.say", texts.append)
    return texts


def records(run):
    return read_records(Path(run.results) / "measurements.jsonl")


def values(run):
    lines = (Path(run.results) / "values.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["of"]: (line["value"], line["unit"]) for line in map(json.loads, lines)}
