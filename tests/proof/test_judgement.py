"""The proof itself must not lie: whatever is not a kill for the stated reason speaks against the criterion."""

from __future__ import annotations

from pathlib import Path

import pytest

from criteria import Criterion, Kill, catalogue, read_kills
from proof.judgement import CANARY, Executed, Outcome, judge, judge_kill, judge_spared
from proof.manifest import Defect, ManifestProblem, load_manifest
from proof.record import table, update
from proof.sample import rotating_sample

KNOWN = {"HA-10": None, "RC-03": None, "CL-01": None}


def fails(message: str) -> Executed:
    return Executed("FAIL", message, 3.0)


@pytest.mark.parametrize(
    ("executed", "outcome"),
    [
        (fails("3 acknowledged writes are lost"), Outcome.KILLED),
        (Executed("PASS", "", 3.0), Outcome.SURVIVED),
        (fails("connection refused"), Outcome.ERROR),
        (fails("INCONCLUSIVE: 3 acknowledged writes are lost"), Outcome.ERROR),
        (
            fails("Several failures occurred:\n\n1) INCONCLUSIVE: too few\n\n2) 3 acknowledged writes are lost"),
            Outcome.KILLED,
        ),
        (fails("Several failures occurred:\n\n1) INCONCLUSIVE: 3 acknowledged writes are lost\n\n2) x"), Outcome.ERROR),
        (Executed("SKIP", "needs citus", 0.0), Outcome.SKIPPED),
        (None, Outcome.ERROR),
    ],
    ids=["kill", "survivor", "other reason", "inconclusive", "one tells", "none tells", "skip", "not run"],
)
def test_only_a_failure_for_the_stated_reason_is_a_kill(executed: Executed | None, outcome: Outcome) -> None:
    assert judge_kill("HA-10", "loses-writes", r"\d+ acknowledged writes are lost", executed).outcome is outcome


@pytest.mark.parametrize(("executed", "good"), [(Executed("PASS", "", 1.0), True), (fails("x"), False), (None, False)])
def test_a_spared_criterion_must_pass(executed: Executed | None, good: bool) -> None:
    assert judge_spared("RC-03", "loses-writes", executed).is_good is good


def test_a_line_says_what_happened() -> None:
    killed = judge_kill("HA-10", "loses-writes", "lost", fails("3 writes are lost\nmore"))
    assert str(killed) == "HA-10 killed by loses-writes in 3 s: 3 writes are lost"
    survived = judge_kill("HA-10", "loses-writes", "lost", Executed("PASS", "", 3.0))
    assert str(survived).startswith("HA-10 SURVIVED loses-writes")


def test_the_line_that_is_shown_is_the_one_that_tells() -> None:
    several = "Several failures occurred:\n\n1) rows are missing\n\n2) 3 rows stored twice: 5, 6, 7"
    assert (
        judge_kill("HA-10", "d", "stored twice", Executed("FAIL", several, 1)).message == "3 rows stored twice: 5, 6, 7"
    )
    assert judge_kill("HA-10", "d", "lost", Executed("FAIL", several, 1)).message.endswith("/lost/: rows are missing")


def test_only_wanted_kills_and_all_spared_are_judged() -> None:
    defect = Defect(why="w", kills={"HA-10": "a", "CL-01": "b"}, spares=["RC-03"])
    lines = judge("d", defect, {"HA-10"}, {"HA-10": fails("a"), "RC-03": Executed("PASS", "", 1.0)})
    assert [(line.criterion, line.outcome) for line in lines] == [("HA-10", "killed"), ("RC-03", "spared")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "names no defect"),
        ("{}", "names no defect"),
        ("d: {why: w, kills: {}}", "kills"),
        ("d: {kills: {HA-10: x}}", "why"),
        ("d: {why: w, kills: {HA-99: x}}", "criterion 'HA-99' does not exist"),
        ("d: {why: w, kills: {HA-10: '('}}", "is not a regular expression"),
        ("d: {why: w, kills: {HA-10: '.*'}}", "matches an empty message"),
        ("d: {why: w, kills: {HA-10: x}, spares: [HA-10]}", "cannot be both killed and spared"),
        ("d: {why: w, kils: {HA-10: x}, kills: {HA-10: x}}", "Extra inputs"),
        ("d: [", "is not valid YAML"),
    ],
)
def test_a_manifest_that_would_prove_nothing_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "defects.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestProblem) as caught:
        load_manifest(KNOWN, path)
    assert expected in str(caught.value)


def test_the_project_s_manifest_is_valid_and_kills_every_criterion() -> None:
    criteria = catalogue()
    manifest = load_manifest({criterion.id: None for criterion in criteria})
    killed = {id_ for defect in manifest.values() for id_ in defect.kills}
    assert {criterion.id for criterion in criteria} - killed == set(), "criteria without a defect"


def test_each_recorded_kill_is_one_the_manifest_still_demands() -> None:
    manifest = load_manifest({criterion.id: None for criterion in catalogue()})
    stale = {
        criterion: kill.defect
        for criterion, kill in read_kills().items()
        if kill.defect not in manifest or criterion not in manifest[kill.defect].kills
    }
    assert stale == {}


def test_a_survivor_loses_its_old_kill() -> None:
    kills = {"HA-10": Kill("d", "2026-01-01", "abc", 1.0, "m")}
    survived = judge_kill("HA-10", "d", "x", Executed("PASS", "", 1.0))
    assert update(kills, [survived], "2026-01-02", "def") == {}
    killed = judge_kill("HA-10", "d", "x", fails("x"))
    assert update({}, [killed], "2026-01-02", "def")["HA-10"].sha == "def"


def test_what_fails_without_a_defect_too_is_not_proven_by_it() -> None:
    killed = judge_kill("HA-10", "d", "lost", fails("lost"))
    failed = judge_spared("HA-10", CANARY, fails("lost"))
    assert (failed.outcome, failed.is_good) == (Outcome.ERROR, False)
    assert update({}, [failed, killed], "2026-01-02", "def") == {}


def test_what_a_machine_cannot_settle_without_a_defect_is_told_beside_the_kill() -> None:
    killed = judge_kill("HA-10", "d", "lost", fails("lost"))
    unsettled = judge_spared("HA-10", CANARY, Executed("SKIP", "not met on this machine", 1.0))
    kills = update({}, [unsettled, killed], "2026-01-02", "def")
    assert kills["HA-10"].unsettled == "not met on this machine"
    criterion = Criterion("HA-10", "States a thing", "chaos", "cluster", "004", ("patroni",), ())
    assert "lost (without the defect: not met on this machine)" in table([criterion], kills, {})


def test_a_criterion_without_a_kill_is_printed_as_unproven() -> None:
    criterion = Criterion("HA-10", "States a thing", "chaos", "cluster", "004", ("patroni",), ())
    text = table([criterion], {}, {"d": "why"})
    assert "0 of 1 criteria proven" in text
    assert "**unproven**" in text


def test_the_sample_starts_elsewhere_each_day_and_keeps_its_time() -> None:
    manifest = {
        name: Defect(why="w", kills={id_: "x"}) for name, id_ in (("a", "HA-10"), ("b", "RC-03"), ("c", "CL-01"))
    }
    kills = {id_: Kill("d", "", "", 10.0, "") for id_ in KNOWN}
    samples = [rotating_sample(manifest, kills, set(KNOWN), day, 40.0) for day in range(3)]
    assert samples == [["HA-10"], ["RC-03"], ["CL-01"]]
    assert len(rotating_sample(manifest, kills, set(KNOWN), 0, 1000.0)) == 3
    assert rotating_sample(manifest, kills, {"CL-01"}, 0, 40.0) == ["CL-01"]
