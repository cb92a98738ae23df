"""The book of last verdicts survives damage and never lets a skip hide what is known."""

from __future__ import annotations

import threading

import pytest

from criteria import LastVerdict, VerdictBook


@pytest.fixture
def book(tmp_path):
    return VerdictBook(tmp_path / "results" / "verdicts.json")


def verdict(word: str, run: str = "r1") -> LastVerdict:
    return LastVerdict(word, "2026-11-21T10:00:00Z", "abc1234", run)


def test_a_verdict_is_read_back(book):
    book.update({"HA-10": verdict("pass")})
    assert book.read() == {"HA-10": verdict("pass")}


def test_a_later_verdict_replaces_an_earlier_one_and_leaves_the_others(book):
    book.update({"HA-10": verdict("pass"), "HA-11": verdict("pass")})
    book.update({"HA-10": verdict("fail", "r2")})
    assert book.read() == {"HA-10": verdict("fail", "r2"), "HA-11": verdict("pass")}


def test_a_skip_is_noted_only_where_nothing_is_known(book):
    book.update({"HA-10": verdict("fail")})
    book.update({"HA-10": verdict("skip", "r2"), "CT-01": verdict("skip", "r2")})
    assert book.read() == {"HA-10": verdict("fail"), "CT-01": verdict("skip", "r2")}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"HA-10": {"verdict": "pass"}}', '{"HA-10": 3}'])
def test_a_damaged_file_counts_as_empty_and_is_mended(book, content):
    book.path.parent.mkdir()
    book.path.write_text(content, encoding="utf-8")
    assert book.read() == {}
    book.update({"HA-10": verdict("pass")})
    assert book.read() == {"HA-10": verdict("pass")}


def test_two_runs_that_end_at_once_lose_nothing(book):
    book.path.parent.mkdir()
    threads = [
        threading.Thread(target=VerdictBook(book.path).update, args=({f"HA-{n:02}": verdict("pass")},))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.read()) == 20
