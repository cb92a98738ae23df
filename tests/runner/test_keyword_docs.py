"""Pages for keywords: all of them, found by their links, and a keyword nobody has described is told."""

from __future__ import annotations

import re
import sys

import pytest

from environments.config import ROOT
from runner import checks
from runner.keyword_docs import main, write_pages
from runner.places import Places

LIBRARY = '''
from robot.api.deco import keyword, library

@library(auto_keywords=False, doc_format="MARKDOWN")
class {name}:
    """{doc}"""

    @keyword
    def described(self, number: int) -> None:
        """Does `something`.

        Args:
            number: how often.
        """

    @keyword
    def bare(self) -> None:
        {body}
'''
RESOURCE = """\
*** Settings ***
Documentation    {about}

*** Keywords ***
A Sentence
    [Documentation]    {said}
    No Operation

Inner
    [Tags]    robot:private
    No Operation
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch, request):
    """A checkout with one library and one resource file; the library's name is new to the interpreter."""
    name = f"Toy{abs(hash(request.node.name))}Library"
    libraries = tmp_path / "libraries"
    monkeypatch.syspath_prepend(str(libraries))
    (libraries / name).mkdir(parents=True)
    (tmp_path / "resources").mkdir()

    def make(doc: str = "A toy.", body: str = '"""Does nothing."""', said: str = "More.", about: str = "A.") -> str:
        (libraries / name / "__init__.py").write_text(LIBRARY.format(name=name, doc=doc, body=body))
        (tmp_path / "resources" / "toy.resource").write_text(RESOURCE.format(said=said, about=about))
        return name

    yield make, Places.below(tmp_path)
    sys.modules.pop(name, None)


def test_each_file_has_a_page_that_the_index_leads_to(checkout, tmp_path, capsys):
    make, places = checkout
    name = make(doc="A `toy`.")
    assert main([], places) == 0
    assert capsys.readouterr().out == "docs/keywords/index.html\n"
    directory = tmp_path / "docs" / "keywords"
    index = (directory / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', index)
    assert links == ["toy.html", f"{name}.html"]
    assert "A toy." in index
    page = (directory / f"{name}.html").read_text()
    assert "<code>something</code>" in page
    assert "how often" in page
    assert str(tmp_path) not in page + (directory / "toy.html").read_text() + index


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": "pass"}, "{name}: 'Bare' has no documentation"),
        ({"doc": " "}, "{name}: has no documentation"),
        ({"about": ""}, "resources/toy.resource: has no documentation"),
        ({"said": ""}, "resources/toy.resource: 'A Sentence' has no documentation"),
    ],
)
def test_what_nobody_has_described_is_told(checkout, tmp_path, changes, problem):
    make, places = checkout
    name = make(**changes)
    assert write_pages(tmp_path / "pages", places) == [problem.format(name=name)]


def test_a_library_that_cannot_be_read_is_told(checkout, tmp_path, capsys):
    make, places = checkout
    name = make(body="(")
    (problem,) = write_pages(tmp_path / "pages", places)
    assert problem.startswith(f"{name}: ")
    (check,) = [check for check in checks.CHECKS if check.name == "docs"]
    assert check.run([], places).failed == 1
    assert capsys.readouterr().out == f"{problem}\n"


def test_wrong_use_writes_nothing(checkout, tmp_path, capsys):
    _, places = checkout
    assert main(["--help"], places) == 252
    assert capsys.readouterr().err.startswith("usage: ")
    assert main(["a", "b"], places) == 252
    assert capsys.readouterr().err.startswith("usage: ")
    assert not (tmp_path / "docs").exists()
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file")], places) == 252
    assert capsys.readouterr().err.rstrip() == f"error: {tmp_path}/file: File exists"


def test_every_keyword_of_the_project_is_described(tmp_path):
    assert write_pages(tmp_path, Places.below(ROOT)) == []
