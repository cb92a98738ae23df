"""A small run against somebody's server, and findings on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.reporting.conftest import FakeRun

SERVER = {"system": "cluster", "name": "pooler", "kind": "real", "version": "2.19.0", "provider": "published crates"}
OTHERS = [{"system": "cluster", "name": "cache", "kind": "reference", "version": "1.0", "provider": "this repository"}]
ANSWER = "status: 413\ncontent_type: text/plain\n"

BY_CRITERION = {
    "title": "Acknowledged writes are lost",
    "kind": "data",
    "known": False,
    "asked": "INSERT ... | then a kill",
    "answered": "14 rows are gone",
    "expected": "all of them, by the documentation.",
    "matters": "Money is lost.",
    "criterion": "HA-11",
    "shows": r"lost \d+ of",
}
BY_HAND = {
    **{key: value for key, value in BY_CRITERION.items() if key not in ("criterion", "shows")},
    "title": "The log holds a password",
    "kind": "security",
    "repeat": "grep password server.log",
}


def vendor_run(fake: FakeRun, **changes: Any) -> Path:
    """Make a whole run in which the service "pooler" is somebody's server."""
    directory = fake.everything()
    fake.fingerprint(services=[{**SERVER, **changes}, *OTHERS])
    (directory / "conditions.json").write_text('["--vendor"]')
    return directory


def name_evidence(directory: Path, text: str = ANSWER) -> None:
    """Let the message of HA-11 name a file of evidence, as one does that was recorded elsewhere."""
    (directory / "evidence").mkdir(exist_ok=True)
    (directory / "evidence" / "answer.yaml").write_text(text)
    output = directory / "output.xml"
    where = "question and answer: evidence/answer.yaml"
    output.write_text(output.read_text().replace("(first: 88, 41 ms after the kill)", where))


def book(path: Path, *findings: dict[str, Any], **changes: Any) -> Path:
    """Write a file of findings."""
    head = {"name": "Pooler", "service": "pooler", "version": "2.19.0", "prepare": "./run.sh --keep\n. reach.sh"}
    path.write_text(yaml.safe_dump({**head, "findings": list(findings), **changes}, sort_keys=False))
    return path


def select(directory: Path, identifier: str, **changes: Any) -> None:
    """Change what the run wrote down of one criterion."""
    path = directory / "criteria.json"
    content = [{**c, **(changes if c["id"] == identifier else {})} for c in json.loads(path.read_text())]
    path.write_text(json.dumps(content))
