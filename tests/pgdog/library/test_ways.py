"""Ways to write and ways to fail, past any proxy: what the clients' ledger says is what PostgreSQL has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from PgDogLibrary import failing, scenarios, ways
from PgDogLibrary.gathering import transactions
from PgDogLibrary.keywords.base import programs
from PgDogLibrary.proxied import Proxied

pytestmark = pytest.mark.servers

UNTOUCHED = [(number, 100, f"holder {number}") for number in range(1, 21)]


def told_and_stored(proxy):
    """Judge what the primary has by what clients were told, as a mirror is judged, and return who was acknowledged."""
    place = proxy.place
    found = transactions(replace(proxy, place=replace(place, mirror=place.primary)))
    assert found.faults == ()
    return found.acked


def rows(server, proxy, table):
    return server.ask("app", f"SELECT * FROM {proxy.place.table(table)} ORDER BY id")


# That mirrors end sessions cannot be tried without one: PG-10 does, and is proven to fail.
@pytest.mark.parametrize(
    "way", [way for way in ways.WAYS if way != "prepared statements after the mirror ended its sessions"]
)
def test_what_is_written_is_what_is_told(beside, way):
    ways.write_by(way, beside, programs())
    acked = told_and_stored(beside)
    assert acked == beside.account.committed == len(beside.account.written()) > 0
    assert beside.account.errors == []
    assert rows(beside.place.mirror, beside, "accounts") == UNTOUCHED


def test_a_ledger_that_claims_too_much_or_too_little_is_told(beside):
    with beside.client() as client:
        client.write()
        client.seq += 1
        client.run(client.insert(0, "nobody kept it"))
        client.seq += 1
        client.committed("never written")
    place = beside.place
    found = transactions(replace(beside, place=replace(place, mirror=place.primary)))
    assert sorted(fault.fault.name for fault in found.faults) == ["LOST", "PHANTOM"]


def test_an_error_within_a_pipeline_is_told(beside):
    table = beside.place.table("entries")
    beside.place.primary.do("app", f"ALTER TABLE {table} ADD CHECK (seq <> 5)")
    with pytest.raises(AssertionError, match=r"psql .*violates check constraint"):
        ways.write_by("pipelined statements", beside, programs())


@pytest.mark.parametrize(
    "call", [lambda proxy: ways.write_by("fax", proxy, programs()), lambda proxy: failing.fail_by("luck", proxy)]
)
def test_a_way_that_is_not_there_is_told_with_those_that_are(beside, call):
    with pytest.raises(ValueError, match=r"there is no way '\w+' to \w+; there are "):
        call(beside)


EFFECTS = {"a lock timeout": {3: 98}, "a serialization failure": {4: 97}}


@pytest.mark.parametrize("way", list(failing.WAYS))
def test_what_fails_has_no_effect_and_is_told_as_undone(beside, way):
    failing.fail_by(way, beside)
    told_and_stored(beside)
    changed = EFFECTS.get(way, {})
    assert rows(beside.place.primary, beside, "accounts") == [
        (number, changed.get(number, balance), holder) for number, balance, holder in UNTOUCHED
    ]
    assert rows(beside.place.primary, beside, "uniques") == []
    assert beside.account.undone >= 1
    assert beside.account.errors == []


@pytest.mark.parametrize(
    "way",
    ["a duplicate key", "a division by zero", "a lock timeout", "a serialization failure", "a cancelled statement"],
)
def test_what_fails_would_take_effect_on_a_mirror_that_ran_it(beside, monkeypatch, way):
    """Or a proxy that mirrors what was refused would not be found out."""
    refused = []
    real = Proxied.client

    def client(proxy, *arguments):
        one = real(proxy, *arguments)
        ordinary = one.refused

        def refuse(statement, sqlstate):
            refused.append(statement)
            ordinary(statement, sqlstate)

        monkeypatch.setattr(one, "refused", refuse)
        return one

    monkeypatch.setattr(Proxied, "client", client)
    failing.fail_by(way, beside)
    assert len(refused) == 1
    before = [rows(beside.place.mirror, beside, table) for table in ("accounts", "uniques")]
    entries = f"SELECT count(*) FROM {beside.place.table('entries')}"
    count = beside.place.mirror.ask("app", entries)
    beside.place.mirror.do("app", *refused)
    after = [rows(beside.place.mirror, beside, table) for table in ("accounts", "uniques")]
    assert (after, beside.place.mirror.ask("app", entries)) != (before, count)


def test_what_goes_on_after_a_savepoint_is_whole_but_for_what_was_undone(beside):
    failing.go_on_after_savepoints(beside)
    assert told_and_stored(beside) == 10
    assert [row[0] for row in rows(beside.place.primary, beside, "uniques")] == [100]


PLAIN = [
    name
    for name in {**scenarios.SCENARIOS, **scenarios.KINDS, **scenarios.CONTENTS}
    if name not in ("a full queue", "the mirror going away and coming back")
]


@pytest.mark.parametrize("name", PLAIN)
def test_clients_of_a_scenario_are_told_what_was_stored(beside, name):
    """Whatever happens to the mirror; two scenarios, which wait for a proxy's own work, are left to the criteria."""
    scenarios.play(name, beside)
    told_and_stored(beside)
    assert beside.account.errors == beside.account.wrong == []
    changed = rows(beside.place.primary, beside, "accounts") != UNTOUCHED
    assert beside.account.committed > 0 or changed


def test_a_link_that_is_cut_is_seen_to_be_cut(system):
    system.set_link(scenarios.MIRROR_LINK, {"cut": True})
    try:
        scenarios._await_refusal(scenarios.MIRROR_LINK)
    finally:
        system.set_link(scenarios.MIRROR_LINK, None)
    with pytest.raises(AssertionError, match="still lets connections in"):
        scenarios._await_refusal(scenarios.MIRROR_LINK, 0.05)
