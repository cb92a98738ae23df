"""`docs/findings/SYSTEM.yaml`: what was found on a vendor's server, and what shows it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator, model_validator

from criteria import CriteriaProblem
from criteria.registry import ID, UniqueKeys

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Kind = Literal["data", "security", "load", "comfort"]
KINDS: dict[Kind, str] = {
    "data": "wrong or lost data",
    "security": "security",
    "load": "life and load",
    "comfort": "comfort",
}
"""What findings are about, weightiest first."""


class FindingsProblem(Exception):
    """A file of findings cannot be used.

    Args:
        problems: one line per mistake, each naming the file, the finding and the key.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(_Part):
    """One thing that the server does and should not.

    It is shown by a criterion that fails with it, by commands for a running server, or by both.
    """

    title: Text  # one sentence
    kind: Kind
    known: bool  # whether the vendor's own documents or tracker, or our contract page, say so
    asked: Text  # exactly
    answered: Text  # exactly what came
    expected: Text  # what is right, and by which standard
    matters: Text  # why a user should care, one sentence
    criterion: str | None = None  # id of one that fails with it
    shows: str | None = None  # regular expression that is found in that criterion's message then
    repeat: Text | None = None  # shell commands, after those of `prepare`

    @field_validator("criterion")
    @classmethod
    def _is_an_id(cls, given: str | None) -> str | None:
        if given is not None and not ID.match(given):
            raise ValueError("is not the id of a criterion")
        return given

    @field_validator("shows")
    @classmethod
    def _compiles(cls, given: str | None) -> str | None:
        try:
            re.compile(given or "")
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from None
        return given

    @model_validator(mode="after")
    def _is_shown(self) -> Self:
        if (self.criterion is None) != (self.shows is None):
            raise ValueError("criterion and shows go together; give both or neither")
        if self.criterion is None and self.repeat is None:
            raise ValueError("nothing shows it; give criterion and shows, or repeat")
        return self


class Findings(_Part):
    """What was found on one vendor's server, and how somebody gets at such a server."""

    name: Text  # of the product, for the heading
    service: Text  # what the run calls the server under test
    version: Text  # of that server, when `answered` was written down
    prepare: Text  # shell commands that come before each `repeat`
    findings: list[Finding]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for title, times in Counter(finding.title for finding in self.findings).items():
            if times > 1:
                raise ValueError(f"'{title}' stands {times} times; give each finding a title of its own")
        return self

    @property
    def by_weight(self) -> list[Finding]:
        """The findings: new ones first, and of these the weightiest first."""
        order = list(KINDS)
        return sorted(self.findings, key=lambda finding: (finding.known, order.index(finding.kind)))


def read_findings(path: Path) -> Findings:
    """Read and validate a file of findings.

    Raises:
        FindingsProblem: one line per mistake.
    """
    content = _read(path)
    try:
        return Findings.model_validate(content)
    except ValidationError as error:
        raise FindingsProblem(*(_line(path, content, mistake) for mistake in error.errors())) from None


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)  # noqa: S506, it is a SafeLoader
    except FileNotFoundError:
        raise FindingsProblem(
            f"{path}: no such file of findings; it says which service is the server under test, see docs/findings/"
        ) from None
    except OSError as error:
        raise FindingsProblem(f"{path}: cannot be read ({error.strerror})") from None
    except CriteriaProblem as problem:
        raise FindingsProblem(*(f"{path.name}: {line}" for line in problem.problems)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise FindingsProblem(f"{path.name}: is not valid YAML{place}; mend the syntax there") from None


def _line(path: Path, content: Any, mistake: Any) -> str:
    """Tell one mistake: in which finding, of which key, what is wrong."""
    where = list(mistake["loc"])
    parts = [path.name]
    if where[:1] == ["findings"] and len(where) > 1:
        number = where[1]
        given = content["findings"][number]
        title = given.get("title") if isinstance(given, dict) else None
        parts.append(f"finding {number + 1}" + (f" ({title!r})" if title else ""))
        where = where[2:]
    if where:
        parts.append(".".join(str(part) for part in where))
    return ": ".join([*parts, _what(mistake)])


def _what(mistake: Any) -> str:
    match mistake["type"]:
        case "missing":
            return "missing; add this key"
        case "extra_forbidden":
            return "unknown key; remove it or correct its spelling"
        case "literal_error":
            return f"must be {mistake['ctx']['expected']}, not {mistake['input']!r}"
        case "value_error":
            return str(mistake["ctx"]["error"])
        case "string_too_short":
            return "is empty"
        case _:
            return f"{mistake['msg'][0].lower()}{mistake['msg'][1:]}"
