"""The sentences of `resources/`: robocop cannot tell which are used, because some are handed on by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from robot.api import Token, get_model, get_resource_model
from robot.api.parsing import ModelVisitor

from environments.config import ROOT

_PREFIX = re.compile(r"(given|when|then|and|but) ", re.IGNORECASE)


class Words(ModelVisitor):
    """Every sentence a file defines, and every name or argument with which one can be called."""

    def __init__(self) -> None:
        self.defined: list[str] = []
        self.said: list[str] = []

    def visit_KeywordName(self, node):  # noqa: N802
        self.defined.append(node.name)

    def visit_Statement(self, node):  # noqa: N802
        self.said += [token.value for token in node.get_tokens(Token.KEYWORD, Token.ARGUMENT, Token.NAME)]


def unused(resources: Iterator[Path], suites: Iterator[Path]) -> list[str]:
    words = Words()
    for path in resources:
        words.visit(get_resource_model(path))
    for path in suites:
        words.visit(get_model(path))
    said = {plain(text) for text in words.said} | {plain(_PREFIX.sub("", text, count=1)) for text in words.said}
    return [name for name in words.defined if plain(name) not in said]


def plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def test_every_sentence_is_used():
    assert unused((ROOT / "resources").glob("*.resource"), (ROOT / "suites").rglob("*.robot")) == []


def test_a_sentence_nobody_uses_is_found(tmp_path):
    resource, suite = tmp_path / "a.resource", tmp_path / "b.robot"
    sentences = {"One": "Two", "Two": "No Operation", "Three": "No Operation", "Four": "Two"}
    resource.write_text("*** Keywords ***\n" + "\n".join(f"{name}\n    {body}\n" for name, body in sentences.items()))
    suite.write_text("*** Test Cases ***\nT\n    Given one\n    And Rehearse Once    Three\n")
    assert unused(iter([resource]), iter([suite])) == ["Four"]
