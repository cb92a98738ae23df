"""What every part of an environment file is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Settings = dict[str, str | int | float | bool]


class Section(BaseModel):
    """Every part of an environment file refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Program(Section):
    """A server program: where it is, which version is wanted, what to set beyond our defaults."""

    path: Path | None = None  # a program, or for PostgreSQL its bin directory; null: PATH, then the Python package
    version: str | None = None  # prefix the found program's version must have, such as "18" or "3.5"
    port: Port | None = None  # null: a free one
    settings: Settings = {}  # lines of the server's own configuration, on top of ours


MEANS: dict[str, str] = {
    "process-faults": "services can be stopped, killed and frozen",
    "link-faults": "client links can be cut, delayed and throttled",
    "steady-machine": "nothing else uses the processors, so that microseconds and saturated rates mean something",
}
"""What an environment, rather than the system in it, provides for."""


class SystemSection(Section):
    """One system of an environment."""

    capabilities: list[str]

    @property
    def declared(self) -> frozenset[str]:
        """All that criteria may rely on."""
        return frozenset(self.capabilities)


def listed(file: Path) -> list[str]:
    """Read the list of capabilities that a program declares.

    Raises:
        ValueError: it cannot be read or is no list; one line that says why.
    """
    try:
        content = yaml.safe_load(file.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid YAML"
        raise ValueError(f"{file} cannot be read ({reason})") from None
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise ValueError(f"{file} must be a list of capabilities")
    return content
