"""A proxy's metrics page: fetched, read, and held to what a scraper may expect of one."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from measurement.prometheus import PAGE_SECONDS, Answer, Sample, fetch, samples

CONTENT_TYPE = ("text/plain", "version=0.0.4", "charset=utf-8")
_COMMENT = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (\S.*)")
_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_WHOLE = re.compile(r"\d+")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count", "")}


@dataclass(frozen=True, slots=True)
class Scrape:
    """One page and when it was asked for (epoch seconds)."""

    at: float
    answer: Answer
    samples: tuple[Sample, ...]

    @classmethod
    def of(cls, text: str, at: float = 0.0) -> Scrape:
        """Make one of a page that was kept."""
        return cls(at, Answer(200, "; ".join(CONTENT_TYPE), text.encode(), 0.0), tuple(samples(text)))

    def has(self, name: str) -> bool:
        """Whether there is a sample of this name."""
        return any(sample.name == name for sample in self.samples)

    def values(self, name: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each sample of this name."""
        return [(sample.labels, sample.value) for sample in self.samples if sample.name == name]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample with exactly these labels; None when it is not there.

        Raises:
            AssertionError: it is there more than once.
        """
        found = [value for own, value in self.values(name) if own == labels]
        if len(found) > 1:
            raise AssertionError(f"{series(name, labels)} is {len(found)} times on the page")
        return found[0] if found else None


def scrape(url: str, seconds: float = PAGE_SECONDS) -> Scrape:
    """Fetch and read a metrics page.

    Args:
        url: of the page.
        seconds: to wait for it.

    Raises:
        AssertionError: it does not come, or cannot be read.
    """
    at = time.time()
    answer = fetch(url, seconds)
    if answer.status != 200:
        raise AssertionError(f"{url} answers with status {answer.status}: {answer.body[:200].decode(errors='replace')}")
    return Scrape(at, answer, tuple(samples(answer.body.decode())))


def series(name: str, labels: Mapping[str, str]) -> str:
    """Write a series as a page does."""
    inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inner}}}" if inner else name


def faults(answer: Answer, is_count: Callable[[Sample], bool]) -> list[str]:
    """List what a strict scraper would object to in a page, or misread; none for a page that is right.

    Args:
        answer: as it came.
        is_count: which samples are counts and so must be bare whole numbers.
    """
    problems = _head_faults(answer)
    try:
        text = answer.body.decode()
    except UnicodeDecodeError as error:
        return [*problems, f"the page is not UTF-8: {error}"]
    if not text.endswith("\n"):
        problems.append(f"the last line does not end with a newline: '{text[-60:]}'")
    if "\r" in text:
        problems.append("lines end with carriage returns")
    page = _Lines()
    for line in text.split("\n"):
        page.read(line)
    return problems + page.faults() + _count_faults(page.samples, is_count)


def _head_faults(answer: Answer) -> list[str]:
    problems = []
    if answer.status != 200:
        problems.append(f"the status is {answer.status}, expected 200")
    has = [part.strip().lower() for part in answer.content_type.split(";")]
    if has[0] != CONTENT_TYPE[0] or not set(CONTENT_TYPE) <= set(has):
        problems.append(f"the content type is '{answer.content_type}', expected '{'; '.join(CONTENT_TYPE)}'")
    return problems


class _Lines:
    """The lines of a page as they come, and the families that they belong to."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._said: Counter[tuple[str, str]] = Counter()  # (HELP or TYPE, family)
        self._types: dict[str, str] = {}
        self._order: list[str] = []  # the family of each line, one entry for lines that follow each other
        self._problems: list[str] = []

    def read(self, line: str) -> None:
        """Take the next line."""
        if not line:
            return
        if line.startswith("#"):
            self._comment(line)
            return
        try:
            [sample] = samples(line)
        except (AssertionError, ValueError) as error:
            self._problems.append(str(error))
            return
        self.samples.append(sample)
        self._stands_in(self._family(sample.name))

    def faults(self) -> list[str]:
        """List what is wrong with the page as a whole."""
        problems = list(self._problems)
        families = dict.fromkeys(self._order)
        problems += [
            f"{family} has {self._said[word, family]} {word} lines, expected one"
            for family in families
            for word in ("HELP", "TYPE")
            if self._said[word, family] != 1
        ]
        problems += [f"{name}: its lines do not stand together" for name, n in Counter(self._order).items() if n > 1]
        twice = Counter(series(s.name, dict(sorted(s.labels.items()))) for s in self.samples)
        return problems + [f"{name} is {times} times on the page" for name, times in twice.items() if times > 1]

    def _comment(self, line: str) -> None:
        match = _COMMENT.fullmatch(line)
        if match is None:
            if line.startswith(("# HELP", "# TYPE")):
                self._problems.append(f"'{line[:100]}' is no right {line[2:6]} line")
            return
        word, family, rest = match.groups()
        self._said[word, family] += 1
        if word == "TYPE":
            if rest not in _TYPES:
                self._problems.append(f"{family} is of the unknown type '{rest}'")
            if any(self._family(sample.name) == family for sample in self.samples):
                self._problems.append(f"{family}: its TYPE line stands behind its samples")
            self._types[family] = rest
        self._stands_in(family)

    def _family(self, name: str) -> str:
        """The family of a sample: its name, but for the parts of histograms and summaries."""
        for family, kind in self._types.items():
            if any(name == family + suffix for suffix in _SUFFIXES.get(kind, ())):
                return family
        return name

    def _stands_in(self, family: str) -> None:
        if not self._order or self._order[-1] != family:
            self._order.append(family)


def _count_faults(found: Iterable[Sample], is_count: Callable[[Sample], bool]) -> list[str]:
    return [
        f"{series(sample.name, sample.labels)} is {sample.written}, which is no bare whole number"
        for sample in found
        if is_count(sample) and not _WHOLE.fullmatch(sample.written)
    ]
