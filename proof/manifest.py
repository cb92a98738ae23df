"""`proof/defects.yaml`: the wrong behaviours, and which criterion must fail on which of them with what message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from environments.config import merged

MANIFEST = Path(__file__).with_name("defects.yaml")


class ManifestProblem(Exception):
    """The manifest cannot be used.

    Args:
        problems: one line per mistake.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Defect(BaseModel):
    """One wrong behaviour that a real deployment could have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str
    kills: Annotated[dict[str, str], Field(min_length=1)]  # criterion -> pattern its failure message must match
    spares: list[str] = []  # criteria that must stay green under it
    overlay: dict[str, Any] = {}  # laid over the environment file
    defects: dict[str, Any] = {}  # the environment file's `defects` section

    @field_validator("kills")
    @classmethod
    def _patterns(cls, kills: dict[str, str]) -> dict[str, str]:
        for criterion, pattern in kills.items():
            try:
                if re.compile(pattern).match(""):
                    raise ValueError(f"{criterion}: the pattern matches an empty message, so it proves nothing")
            except re.error as error:
                raise ValueError(f"{criterion}: '{pattern}' is not a regular expression ({error})") from None
        return kills

    def environment_overlay(self, name: str) -> dict[str, Any]:
        """What to lay over the environment file to put this defect in force."""
        return merged(self.overlay, {"defects": {"name": name, **self.defects}})


def load_manifest(known: Mapping[str, object], path: Path = MANIFEST) -> dict[str, Defect]:
    """Read and check the manifest.

    Args:
        known: ids of all criteria.
        path: the YAML file.

    Raises:
        ManifestProblem: it is empty, malformed, or names a criterion that does not exist.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestProblem(f"{path.name}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise ManifestProblem(f"{path.name}: is not valid YAML ({error})") from None
    if not isinstance(content, dict) or not content:
        raise ManifestProblem(f"{path.name}: names no defect; a proof of nothing is no proof")
    defects: dict[str, Defect] = {}
    problems: list[str] = []
    for name, given in content.items():
        try:
            defects[name] = Defect.model_validate(given)
        except ValidationError as error:
            problems += [f"{path.name}: {name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        mentioned = [*defects[name].kills, *defects[name].spares]
        problems += [f"{path.name}: {name}: criterion '{id_}' does not exist" for id_ in mentioned if id_ not in known]
        both = defects[name].kills.keys() & set(defects[name].spares)
        problems += [f"{path.name}: {name}: {id_} cannot be both killed and spared" for id_ in sorted(both)]
    if problems:
        raise ManifestProblem(*problems)
    return defects
