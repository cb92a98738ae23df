"""Which runs are reported, what shows a finding in them, and the command that runs them again."""

from __future__ import annotations

import json

import pytest

from reporting.field_report.subject import ReportProblem, Subject, read_subject, sights
from tests.reporting.field import BY_CRITERION, BY_HAND, OTHERS, SERVER, book, select, vendor_run


def subject_of(fake, *findings, **changes) -> Subject:
    run = fake.directory if fake.directory.exists() else vendor_run(fake)
    return read_subject(run, findings=book(fake.directory / "findings.yaml", *findings, **changes))


def refused(fake, **changes) -> str:
    with pytest.raises(ReportProblem) as caught:
        subject_of(fake, BY_HAND, **changes)
    return str(caught.value).removeprefix(f"{fake.directory.name}: ")


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReportProblem, match="none: no such run; results/latest is the last one"):
        read_subject(tmp_path / "none")


def test_our_own_server_is_nothing_to_report(fake):
    vendor_run(fake, kind="reference")
    assert refused(fake).startswith("its pooler was the reference of this project; the field report is of a vendor's")


def test_a_server_that_the_run_does_not_name_is_told_with_those_it_names(fake):
    assert refused(fake, service="gateway") == (
        "environment.json names no service 'gateway' of cluster (it names: pooler, cache)"
    )


def test_a_run_that_broke_off_is_no_outcome(fake):
    output = vendor_run(fake) / "output.xml"
    text = output.read_text()
    output.write_text(text[: text.index("No acknowledged write is lost")])
    assert refused(fake) == "broke off before HA-11 had ended; only a run that came to its end is reported"
    (fake.directory / "criteria.json").unlink()
    assert refused(fake).startswith("broke off")


def test_a_run_that_broke_off_after_its_last_criterion_has_an_outcome(fake):
    output = vendor_run(fake) / "output.xml"
    text = output.read_text()
    output.write_text(text[: text.rindex("</test>") + len("</test>")])
    assert len(subject_of(fake, BY_HAND).rows) == 7


def test_a_run_with_a_defect_on_purpose_says_nothing_of_the_server(fake):
    vendor_run(fake)
    fake.fingerprint(defect="gateway-lies", services=[SERVER, *OTHERS])
    assert refused(fake) == "ran with the defect gateway-lies on purpose; run without it"


def test_of_several_systems_one_has_to_be_chosen(fake):
    run = vendor_run(fake)
    select(run, "CL-01", system="broker")
    assert refused(fake) == "holds several systems (broker, cluster); choose one with --system"
    findings = book(fake.directory / "findings.yaml", BY_HAND)
    assert len(read_subject(run, "cluster", findings).rows) == 6
    with pytest.raises(ReportProblem, match="holds no criterion of 'pgdog', only of broker, cluster"):
        read_subject(run, "pgdog", findings)


def seen(fake, *findings, **changes):
    return [(sight.seen, sight.instead) for sight in sights(subject_of(fake, *findings, **changes))]


def test_a_finding_is_seen_when_its_criterion_fails_with_it(fake):
    assert seen(fake, BY_CRITERION) == [(True, "")]


@pytest.mark.parametrize(
    ("change", "instead"),
    [
        ({"criterion": "CL-16"}, "CL-16 passed"),
        ({"criterion": "XX-01"}, "XX-01 was not part of the run"),
        ({"criterion": "CT-01"}, "CT-01 was skipped: needs citus, which this environment does not declare"),
        ({"criterion": "HA-12", "shows": "acknowledged"}, "HA-12 was inconclusive"),
        ({"shows": "lost all"}, "HA-11 failed with something else: lost 14 of 1200 acknowledged writes"),
    ],
)
def test_a_finding_that_the_run_does_not_show_says_what_was_seen_instead(fake, change, instead):
    ((shown, told),) = seen(fake, {**BY_CRITERION, **change, "repeat": "true"})
    assert shown is False
    assert told.startswith(instead)


def test_a_finding_shown_by_hand_is_told_from_the_version_it_was_seen_on(fake):
    assert seen(fake, BY_HAND) == [(None, "")]
    assert seen(fake, BY_HAND, version="2.18.0") == [(None, "seen on 2.18.0, not tried on 2.19.0")]


def test_the_command_repeats_what_the_run_was_given(fake):
    subject = subject_of(fake, BY_HAND)
    assert subject.command() == "./run.sh --system cluster --vendor"
    (fake.directory / "conditions.json").write_text('["--environment", "my own.yaml", "--vendor", "/opt/pooler"]')
    assert subject_of(fake, BY_HAND).command("HA-11", "HA-12") == (
        "./run.sh --system cluster --criterion HA-11,HA-12 --environment 'my own.yaml' --vendor /opt/pooler"
    )
    (fake.directory / "conditions.json").unlink()
    assert subject_of(fake, BY_HAND).command() == "./run.sh --system cluster"


def test_paths_are_told_below_the_results_of_any_checkout(fake):
    subject = subject_of(fake, BY_HAND)
    name = json.loads((fake.directory / "environment.json").read_text())["run_id"]
    assert subject.told(f"see '/elsewhere/results/{name}/evidence/a.yaml'") == f"see 'results/{name}/evidence/a.yaml'"
