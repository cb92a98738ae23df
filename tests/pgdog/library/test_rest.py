"""A proxy at rest and at work in both dialects: what is counted then, and what of it is evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from environments.pgdog import Mirrored, ProxyOptions
from environments.system import pgdog
from measurement.verdicts import Verdict
from oracles.replay import Fault
from PgDogLibrary import PgDogLibrary
from PgDogLibrary.admin import ConsoleError
from PgDogLibrary.gathering import evidence
from PgDogLibrary.keywords.base import own_proxy, undo_all
from PgDogLibrary.keywords.operation import _served
from PgDogLibrary.rest import active_on_mirror, asked, at_rest, await_work, counted, read
from PgDogLibrary.scenarios import NOBODY, number_of, rows_by_transaction
from PgDogLibrary.verdict import silent_divergence
from PgDogLibrary.wrong_files import OPTIONS, WrongFile

pytestmark = [
    pytest.mark.servers,
    pytest.mark.parametrize("system", ["plan", "upstream"], indirect=True, scope="module"),
]
SOON = timedelta(seconds=5)
library = PgDogLibrary()


@pytest.fixture
def proxy(system):
    yield own_proxy()
    undo_all()


def writes(proxy, number, rows=1):
    with proxy.client() as client:
        for _ in range(number):
            client.write(rows)


# -- rest


def test_at_rest_all_is_counted_and_nothing_runs_on_the_mirror(proxy):
    proxy.place.slow_down_mirror(0.2)
    writes(proxy, 3)
    now = at_rest(proxy).total
    assert [number_of(now, name) for name in ("attempted", "mirrored", "failed", "overflow")] == [3, 3, 0, 0]
    assert now.backlog == active_on_mirror(proxy) == 0
    assert len(rows_by_transaction(proxy)) == 3


def test_what_was_counted_before_the_test_began_does_not_count(proxy):
    writes(proxy, 2)
    at_rest(proxy)
    later = replace(proxy, before=read(proxy.instance))
    assert number_of(counted(later).total, "attempted") == 0
    writes(proxy, 1)
    assert number_of(at_rest(later).total, "attempted") == 1


def test_a_mirror_that_still_works_is_not_at_rest(proxy, monkeypatch):
    monkeypatch.setattr("PgDogLibrary.keywords.contents.LONG_REST_SECONDS", 0.5)
    with proxy.place.mirror.session("app") as session:
        session.cursor().execute(f"BEGIN; LOCK TABLE {proxy.place.table('entries')}")
        writes(proxy, 2)
        await_work(proxy)
        assert active_on_mirror(proxy) == 1
        with pytest.raises(AssertionError, match=r"waited for the proxy to come to rest.*(wait to be|at work)"):
            at_rest(proxy, 1.0)
        with pytest.raises(AssertionError, match="waited for the proxy to come to rest"):
            library.contents_should_be_equal_or_announced(proxy)
    assert number_of(at_rest(proxy).total, "mirrored") == 2


def test_a_mirror_that_is_away_has_nothing_at_work(proxy):
    away = replace(proxy.place, mirror=replace(proxy.place.mirror, endpoint=NOBODY))
    assert active_on_mirror(replace(proxy, place=away)) == 0


def test_the_console_answers_and_says_what_it_does_not_know(proxy):
    assert "total_count" in asked(proxy.instance, "SHOW MIRRORS").columns
    with pytest.raises(ConsoleError, match="the admin console answers 'SHOW NONSENSE' with"):
        asked(proxy.instance, "SHOW NONSENSE")


# -- evidence


def test_a_mirror_that_has_everything_is_equal(proxy):
    writes(proxy, 3, rows=2)
    at_rest(proxy)
    found = evidence(proxy)
    assert not found.differs
    assert found.transactions is not None
    assert found.transactions.acked == 3
    assert found.contents.rows[proxy.place.table("entries")] == (6, 6)
    assert silent_divergence(found).verdict is Verdict.PASS


def test_a_transaction_that_is_missing_without_a_count_is_silent_divergence(proxy, monkeypatch):
    monkeypatch.setattr("PgDogLibrary.keywords.contents.CATCH_UP_SECONDS", 0.5)
    writes(proxy, 3)
    at_rest(proxy)
    proxy.place.mirror.do("app", f"DELETE FROM {proxy.place.table('entries')} WHERE seq = 2")
    found = evidence(proxy)
    assert found.transactions is not None
    assert found.transactions.count(Fault.LOST) == 1
    judgement = silent_divergence(found)
    assert judgement.verdict is Verdict.FAIL
    assert "1 transactions are missing, the proxy announces 0 errors" in judgement.reason
    with pytest.raises(AssertionError, match="silent divergence: 1 transactions are missing"):
        library.contents_should_be_equal_or_announced(proxy)


def test_a_mirror_that_lacks_what_was_counted_is_announced(system):
    proxy = own_proxy(ProxyOptions(databases=(Mirrored(mirror=NOBODY),)))
    try:
        writes(proxy, 3)
        at_rest(proxy)
        judgement = silent_divergence(evidence(proxy))
        assert judgement.verdict is Verdict.PASS
        assert "the proxy announces 3 errors" in judgement.reason
    finally:
        undo_all()


# -- keywords that must be able to fail


def test_counters_that_differ_are_told(proxy, said):
    writes(proxy, 2)
    library.counters_should_show(proxy, SOON, attempted=2, mirrored=2)
    assert "attempted 2, mirrored 2 after" in said[-1]
    with pytest.raises(AssertionError, match="expected attempted 3, counted was attempted 2"):
        library.counters_should_show(proxy, timedelta(seconds=0.3), attempted=3)
    with pytest.raises(AssertionError, match="overflow: expected at least 1, was 0"):
        library.counters_should_show_at_least(proxy, SOON, overflow=1)


def test_a_row_of_an_open_transaction_is_seen_on_the_mirror(proxy):
    opened = library.a_transaction_is_left_open(proxy, 2)
    library.mirror_should_hold_nothing_of_it_for(opened, timedelta(seconds=0.3))
    proxy.place.mirror.do("app", opened.client.insert(0, "too early"))
    with pytest.raises(AssertionError, match="must never hold"):
        library.mirror_should_hold_nothing_of_it_for(opened, timedelta(seconds=0.3))


def test_clients_go_on_while_files_are_read_and_a_dead_proxy_is_told(proxy, said):
    library.clients_work_while_it_is_reloaded(proxy, 2, 2)
    assert "transactions while 2 good and 2 bad files were read" in said[-1]
    library.counters_should_have_gone_on(proxy)
    pgdog().end(proxy.instance)
    with pytest.raises(Exception, match="refused"):
        library.clients_work_while_it_is_reloaded(proxy, 1, 1)


def test_a_right_file_is_told_to_serve_and_a_wrong_one_by_its_key(system):
    right = system.configuration(OPTIONS)
    assert _served(WrongFile("nothing", "port", right.text, right.users), 1.0) == "nothing: it serves"
    wrong = right.text.replace("[general]\n", "[general]\nmirror_exposrue = 1\n")
    assert _served(WrongFile("a typo", "mirror_exposrue", wrong, right.users), 5.0) is None
    problem = _served(WrongFile("a typo", "exposrue", wrong, right.users), 5.0)
    assert problem is not None
    assert problem.startswith("a typo: 'exposrue' is not named in")
