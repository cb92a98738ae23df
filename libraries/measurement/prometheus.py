"""Pages in Prometheus' text format, as programs write them: every name as it stands there.

Prometheus' own Python parser renames counters that come without `_total`; a page read here keeps the names it has.
"""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

PAGE_SECONDS = 5.0
_LABEL = r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{((?:{_LABEL}(?:,|(?=\}})))*)\}})?[ \t]+([^\s_]+)(?:[ \t]+-?\d+)?")
_LABELS = re.compile(_LABEL)
_ESCAPED = re.compile(r'\\(["\\n])')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page.

    Attributes:
        name: as it is written.
        labels: in the order in which they are written.
        value: of the sample.
        written: the value as it is written, such as `12.0`.
    """

    name: str
    labels: Mapping[str, str]
    value: float
    written: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a GET brought, and how many seconds it took to the last byte."""

    status: int
    content_type: str
    body: bytes
    seconds: float


def samples(text: str) -> list[Sample]:
    """Read the samples of a page.

    Raises:
        AssertionError: a line is not a sample, naming it.
    """
    return [_sample(line.strip()) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def read_page(url: str) -> list[Sample]:
    """Fetch and read a page.

    Raises:
        AssertionError: it does not come, or has a line that is none of Prometheus.
    """
    answer = fetch(url)
    if answer.status != 200:
        raise AssertionError(f"{url} answers with status {answer.status}")
    return samples(answer.body.decode())


def fetch(url: str, seconds: float = PAGE_SECONDS) -> Answer:
    """Get a page, whatever its status.

    Args:
        url: of the page.
        seconds: after which it counts as not answering.

    Raises:
        AssertionError: there is no answer.
    """
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310, the address is our own
            status, kind, body = answer.status, answer.headers.get("Content-Type", ""), answer.read()
    except urllib.error.HTTPError as refusal:
        status, kind, body = refusal.code, refusal.headers.get("Content-Type", ""), refusal.read()
    except OSError as error:
        raise AssertionError(f"{url} does not answer: {error}") from None
    return Answer(status, kind, body, time.perf_counter() - began)


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    try:
        assert match is not None
        value = float(match[5])
    except (AssertionError, ValueError):
        raise AssertionError(f"'{line[:100]}' is not a line of a Prometheus page") from None
    labels = {name: _ESCAPED.sub(_meant, shown) for name, shown in _LABELS.findall(match[2] or "")}
    return Sample(match[1], labels, value, match[5])


def _meant(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
