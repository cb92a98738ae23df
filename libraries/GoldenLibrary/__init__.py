"""Keywords that hold an HTTP answer against a recorded one."""

from __future__ import annotations

import textwrap
from hashlib import blake2s
from typing import Any

import yaml
from requests import PreparedRequest, Response
from robot.api.deco import keyword, library

from EnvironmentLibrary import context
from environments.config import ROOT
from GoldenLibrary.matching import first_difference

GOLDENS = ROOT / "resources" / "goldens"
MOST_KEPT = 2000  # characters of a request, and of a body that is no JSON, in the file that is left
MOST_SAID = 120  # characters of a question in a message


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
    def answer_should_be_as_recorded(self, answer: Response, golden: str) -> None:
        """Compare status, content type and body with the recorded answer.

        Args:
            answer: what a request of RequestsLibrary returned.
            golden: path of the recorded answer below `resources/goldens/`, without its ending.
        """
        given = _as_recorded(answer)
        file = GOLDENS / f"{golden}.yaml"
        if not file.is_file():
            raise AssertionError(f"'{golden}' is not recorded; {_leave(golden, answer, given)}")
        recorded = yaml.safe_load(file.read_text(encoding="utf-8"))
        difference = first_difference(recorded, given, golden)
        if difference is not None:
            raise AssertionError(f"{difference}; {_leave(golden, answer, given)}")


def _as_recorded(answer: Response) -> dict[str, Any]:
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    try:
        body: Any = answer.json()
    except ValueError:
        body = answer.text
    return {"status": answer.status_code, "content_type": kind, "body": body}


def _leave(golden: str, answer: Response, given: dict[str, Any]) -> str:
    """Write down what was asked and answered; say what was asked and where it stands.

    Each question has a file of its own; one that is asked again and again leaves the last answer.
    """
    asked = _asked(answer.request)
    digest = blake2s(repr(asked).encode(), digest_size=3).hexdigest()
    file = context.results() / "evidence" / f"{golden.replace('/', '-')}-{digest}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"asked": asked, "answered": {**given, "body": _cut(given["body"])}}
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
    question = asked.get("body", asked["request"])
    return f"asked {textwrap.shorten(question, MOST_SAID)}; question and answer: {file.relative_to(context.results())}"


def _asked(request: PreparedRequest) -> dict[str, Any]:
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else request.body
    asked = {"request": f"{request.method} {request.url}"}
    return asked if body is None else {**asked, "body": _cut(body)}


def _cut(body: Any) -> Any:
    """Leave the beginning of a long text."""
    if not isinstance(body, str) or len(body) <= MOST_KEPT:
        return body
    return f"{body[:MOST_KEPT]}... ({len(body)} characters)"
