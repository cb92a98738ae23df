"""What the section says, and how the program that writes it behaves."""

from __future__ import annotations

import pytest

from reporting.field_report.__main__ import main
from reporting.field_report.blocks import MOST_LINES, anchor, block, wrapped
from reporting.field_report.section import section
from reporting.field_report.subject import read_subject
from tests.reporting.field import BY_CRITERION, BY_HAND, book, name_evidence, vendor_run


@pytest.fixture
def made(fake):
    """Return the section of a run with these findings."""

    def make(*findings, evidence: str | None = None, **changes) -> str:
        run = vendor_run(fake)
        if evidence is not None:
            name_evidence(run, evidence)
        return section(read_subject(run, findings=book(run / "findings.yaml", *findings, **changes)))

    return make


def part(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    return text.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]


def test_it_says_what_was_tested_and_how_it_ended(made, fake):
    text = made(BY_CRITERION, BY_HAND)
    assert text.startswith("## Pooler 2.19.0: the vendor's own server\n\nOf 7 criteria **3 passed, 1 failed, ")
    assert "1 inconclusive, 2 skipped**. 2 findings, 2 of them new" in text
    assert "| tested | Pooler 2.19.0, from: published crates |" in text
    assert f"| run | `{fake.directory.name}`, 2026-11-21 10:23 UTC, " in text
    assert "profile quick, seed 8731, commit abc1234" in text
    assert "| machine | A processor, 2 cores, 24 000 MiB, Linux 6.18" in text
    assert "| around it | cache 1.0 (reference) |" in text


def test_every_criterion_stands_in_the_table_the_failed_ones_first(made):
    table = part(made(BY_HAND), "The criteria").strip().splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in table] == [
        "[HA-11](#ha-11)", "[HA-12](#ha-12)", "CT-01", "CT-02", "CL-01", "CL-16", "HA-10",
    ]  # fmt: skip
    assert table[-1].endswith("| write gap 1.4 s | write gap 10 s |")
    assert "All workers are active\\|ready" in table[3]


def test_a_failure_has_its_demand_its_message_its_evidence_and_its_command(made, fake):
    told = part(made(BY_CRITERION, evidence="status: 413\n"), "HA-11")
    assert "No acknowledged write is lost when the leader is killed. Demanded: takeover 25 s." in told
    assert "lost 14 of 1200 acknowledged writes" in told
    assert "question and answer: evidence/answer.yaml" in told.replace("\n  ", " ")
    assert "`answer.yaml`:\n\n```\nstatus: 413\n```" in told
    assert "Explained by: [Acknowledged writes are lost](#acknowledged-writes-are-lost)." in told
    assert "Again: `./run.sh --system cluster --criterion HA-11 --vendor`" in told


def test_a_failure_has_its_figures_beside_its_demand(fake):
    run = vendor_run(fake)
    fake.lines("values", [{"criterion": "HA-11", "of": "takeover", "value": 31.0, "unit": "s"}])
    told = section(read_subject(run, findings=book(run / "findings.yaml", BY_HAND)))
    assert "Demanded: takeover 25 s. Measured: takeover 31 s.\n" in part(told, "HA-11")


def test_long_evidence_is_cut_and_says_so(made, fake):
    told = part(made(BY_HAND, evidence="x" * 5000 + "\n" + "line\n" * 99), "HA-11")
    assert "x" * 200 in told
    assert "x" * 300 not in told
    assert told.count("\nline") == MOST_LINES - 1
    assert f"… (60 more lines in results/{fake.directory.name}/evidence/answer.yaml)" in told


def test_skipped_criteria_have_their_reason(made):
    assert part(made(BY_HAND), "What was skipped").strip() == (
        "* CT-01..02: needs citus, which this environment does not declare"
    )


def test_a_finding_has_all_that_a_reader_needs(made):
    text = made(BY_HAND, {**BY_CRITERION, "known": True})
    told = part(text, "The log holds a password")
    assert "*new; security; shown by the commands below*" in told
    assert "Money is lost. Right would be: all of them, by the documentation." in told
    assert "```\nINSERT ... | then a kill\n\n→ 14 rows are gone\n```" in told
    assert "```sh\ngrep password server.log\n```" in told
    assert "*known; wrong or lost data; seen in this run by HA-11*" in part(text, "Acknowledged writes are lost")
    assert "```sh\n./run.sh --keep\n. reach.sh\n```" in part(text, "What was found")
    assert part(text, "What is new").strip().splitlines() == [
        "* security:", "  * [The log holds a password](#the-log-holds-a-password)",
    ]  # fmt: skip


def test_a_finding_that_went_stale_is_told_as_such_and_counts_for_nothing(made):
    text = made({**BY_CRITERION, "criterion": "CL-16", "repeat": "true"})
    assert "0 findings, 0 of them new" in text
    assert "What is new" not in text
    assert "What was found" not in text
    assert "* Acknowledged writes are lost. Seen instead: CL-16 passed\n" in text


def test_a_block_holds_whatever_backticks_are_in_it():
    assert list(block(["a ```` b"])) == ["`````", "a ```` b", "`````"]


def test_long_messages_are_broken_where_they_list_things():
    assert wrapped("short; as it is") == ["short; as it is"]
    assert wrapped("a" * 100 + "; " + "b" * 20) == ["a" * 100 + ";", "b" * 20]


def test_headings_are_linked_as_they_are_shown():
    assert anchor('/health says `x`, "y": 1 000 times') == "#health-says-x-y-1-000-times"


# -- the program -------------------------------------------------------------------------------------------------


def test_it_writes_its_section_twice_alike_and_leaves_the_rest(fake, tmp_path, capsys):
    run, findings, into = vendor_run(fake), book(tmp_path / "findings.yaml", BY_CRITERION), tmp_path / "report.md"
    into.write_text("# Field report\n\nby hand\n")
    arguments = [str(run), "--findings", str(findings), "--into", str(into)]
    assert main(arguments) == 0
    once = into.read_text()
    assert once.startswith("# Field report\n\nby hand\n\n<!-- cluster: generated by python -m reporting.field_report; ")
    assert main(arguments) == 0
    assert into.read_text() == once
    assert "report.md: cluster, 7 criteria, 1 findings" in capsys.readouterr().out


def test_it_says_which_findings_are_stale(fake, tmp_path, capsys):
    run, findings = vendor_run(fake), book(tmp_path / "findings.yaml", {**BY_CRITERION, "criterion": "CL-16"})
    assert main([str(run), "--findings", str(findings), "--into", str(tmp_path / "report.md")]) == 0
    assert "! Acknowledged writes are lost: CL-16 passed\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda run, into: (run / "environment.json").unlink(), "environment.json names no service 'pooler'"),
        (lambda run, into: into.write_text("<!-- cluster: end -->\n"), "report.md: the marks of cluster are damaged: "),
        (lambda run, into: into.mkdir(), "report.md: Is a directory"),
        (lambda run, into: (into.parent / "findings.yaml").write_text("findings: ["), "findings.yaml: is not valid"),
    ],
)
def test_what_keeps_it_from_its_work_is_one_line_and_nothing_is_written(fake, tmp_path, capsys, damage, line):
    run, findings, into = vendor_run(fake), book(tmp_path / "findings.yaml", BY_CRITERION), tmp_path / "report.md"
    damage(run, into)
    before = into.read_text() if into.is_file() else None
    assert main([str(run), "--findings", str(findings), "--into", str(into)]) == 252
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert line in said
    assert said.count("\n") == 1
    assert (into.read_text() if into.is_file() else None) == before


@pytest.mark.parametrize(("given", "line"), [([], "the following arguments are required"), (["x", "--no"], "--no")])
def test_wrong_use_is_one_line(capsys, given, line):
    assert main(given) == 252
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
