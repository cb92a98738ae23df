"""Keywords that hold an HTTP answer against a recorded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import yaml
from robot.api.deco import keyword, library

from EnvironmentLibrary import context
from environments.config import ROOT
from GoldenLibrary.matching import first_difference

GOLDENS = ROOT / "resources" / "goldens"


class Answer(Protocol):
    """What is needed of a response of RequestsLibrary."""

    status_code: int
    headers: Any
    text: str

    def json(self) -> Any:
        """The body as JSON."""


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN")
class GoldenLibrary:
    """Holds answers against recorded ones.

    A recorded answer is a file of `resources/goldens/`: status, content type and body. What differs from run to run
    stands there as `<uuid>`, `<instant>`, `<number>`, `<text>` or `<any>`, and a key that may be missing ends with `?`;
    everything else must be the same, the order of keys included.

    To record one, run the criterion without the file: it fails and says where it left the answer. Read it, put the
    placeholders in, and move it to its place.
    """

    @keyword
    def answer_should_be_as_recorded(self, answer: Answer, golden: str) -> None:
        """Compare status, content type and body with the recorded answer.

        Args:
            answer: what a request of RequestsLibrary returned.
            golden: path of the recorded answer below `resources/goldens/`, without its ending.
        """
        given = _as_recorded(answer)
        file = GOLDENS / f"{golden}.yaml"
        if not file.is_file():
            raise AssertionError(f"'{golden}' is not recorded; the answer is in {_leave(golden, given)}")
        recorded = yaml.safe_load(file.read_text(encoding="utf-8"))
        difference = first_difference(recorded, given, golden)
        if difference is not None:
            raise AssertionError(f"{difference}; the whole answer is in {_leave(golden, given)}")


def _as_recorded(answer: Answer) -> dict[str, Any]:
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    try:
        body: Any = answer.json()
    except ValueError:
        body = answer.text
    return {"status": answer.status_code, "content_type": kind, "body": body}


def _leave(golden: str, given: dict[str, Any]) -> Path:
    file = context.results() / "evidence" / f"{golden.replace('/', '-')}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
    return file
