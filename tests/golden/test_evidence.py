"""What a keyword leaves behind when an answer is not the recorded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from environments.system import Running, use
from GoldenLibrary import GoldenLibrary

URL = "http://127.0.0.1:1/graphql"


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoldenLibrary:
    goldens = tmp_path / "goldens"
    (goldens / "small").mkdir(parents=True)
    recorded = {"status": 200, "content_type": "application/json", "body": {"data": {"n": 1}}}
    (goldens / "small" / "one.yaml").write_text(yaml.safe_dump(recorded, sort_keys=False), encoding="utf-8")
    monkeypatch.setattr("GoldenLibrary.GOLDENS", goldens)
    use(Running("small", "embedded", "quick", str(tmp_path), 1.0, 7, system_name="fraiseql"))
    return GoldenLibrary()


def answered(body: str, asked: Any = '{"query": "{ n }"}', status: int = 200) -> requests.Response:
    """An answer as RequestsLibrary returns it."""
    response = requests.Response()
    response.status_code, response.encoding, response._content = status, "utf-8", body.encode()
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.request = requests.Request("POST", URL, data=asked).prepare()
    return response


def test_the_recorded_answer_passes_and_leaves_nothing(golden: GoldenLibrary, tmp_path: Path) -> None:
    golden.answer_should_be_as_recorded(answered('{"data": {"n": 1}}'), "small/one")
    assert not (tmp_path / "evidence").exists()


def test_another_answer_is_left_with_its_question(golden: GoldenLibrary, tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError, match=r"one\.body\.data\.n: expected 1, was 2; asked .*: evidence/small-one-"
    ) as error:
        golden.answer_should_be_as_recorded(answered('{"data": {"n": 2}}'), "small/one")
    content = yaml.safe_load((tmp_path / str(error.value).rpartition(" ")[2]).read_text(encoding="utf-8"))
    assert content == {
        "asked": {"request": f"POST {URL}", "body": '{"query": "{ n }"}'},
        "answered": {"status": 200, "content_type": "application/json", "body": {"data": {"n": 2}}},
    }


def test_each_question_has_a_file_of_its_own_and_a_long_one_is_cut(golden: GoldenLibrary, tmp_path: Path) -> None:
    for asked in ("first", "second", "second", b"x" * 5000):
        with pytest.raises(AssertionError, match="status: expected 200, was 500"):
            golden.answer_should_be_as_recorded(answered("no JSON", asked, 500), "small/one")
    bodies = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in (tmp_path / "evidence").iterdir()]
    assert sorted(content["asked"]["body"][:6] for content in bodies) == ["first", "second", "xxxxxx"]
    assert {content["answered"]["body"] for content in bodies} == {"no JSON"}
    assert any(content["asked"]["body"].endswith("x... (5000 characters)") for content in bodies)


def test_what_is_not_recorded_is_left_to_be_read(golden: GoldenLibrary, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"'small/two' is not recorded; asked .*; question and answer: evidence/"):
        golden.answer_should_be_as_recorded(answered("{}"), "small/two")
    assert len(list((tmp_path / "evidence").iterdir())) == 1
