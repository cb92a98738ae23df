"""The pages of a run: everything in them, everything found, nothing fetched."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from reporting import read_run, write_reports
from reporting.__main__ import main
from reporting.figures import figures
from reporting.lanes import lanes_chart, spans_of
from reporting.screen import screen
from reporting.split import FILES

from .conftest import LOST


class Page(HTMLParser):
    """Links, ids and text of a page; complains about elements left open."""

    VOID = frozenset({"meta", "br", "path", "rect", "circle", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass


@pytest.fixture(scope="module")
def run(made_once, kills):
    return write_reports(made_once, kills=kills)


@pytest.fixture
def text(run):
    return (run.directory / "index.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(text):
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "url(" not in text
    assert "@import" not in text


def test_every_link_leads_somewhere_and_all_are_relative(run, text):
    page = Page(text)
    for link in page.links:
        path, _, anchor = link.partition("#")
        assert not path.startswith(("/", "http", "file"))
        if path:
            assert (run.directory / path).exists(), link
        elif anchor:
            assert anchor in page.ids, link
    assert len(page.ids) == len(set(page.ids))


def test_links_into_the_log_name_tests_that_are_there(run, text):
    anchors = {link.partition("#")[2] for link in Page(text).links if link.startswith("log.html#")}
    assert anchors == {row.outcome.log_id for row in run.rows if row.outcome}


def test_every_criterion_is_there_with_verdict_measured_value_and_source(text):
    rows = dict(re.findall(r'<tr id="([A-Z]{2}-\d\d)" class="([a-z-]+)"', text))
    assert rows == {
        "CL-01": "pass",
        "CT-01": "skip",
        "CT-02": "skip",
        "CL-16": "pass",
        "HA-10": "pass",
        "HA-11": "fail",
        "HA-12": "inconclusive",
    }
    assert "<b>1.4 s</b>" in text
    assert "004 TestHA-11" in text


def test_what_others_wrote_is_text_and_never_markup(text):
    assert "<b>not bold</b>" not in text
    assert "&lt;b&gt;not bold&lt;/b&gt;" in text


def test_failures_come_with_their_message(text):
    wrong = text[text.index('id="failures"') : text.index('id="measured"')]
    assert "lost 14 of 1200 acknowledged writes" in wrong
    assert "INCONCLUSIVE: 3 acknowledged writes" in wrong


def test_the_drawings_show_gap_fault_target_and_memory(run):
    drawn = figures(run)
    assert [figure.criteria for figure in drawn] == [("HA-11",), ("CL-16",), ()]
    gap, latency, memory = (figure.svg for figure in drawn)
    assert "no write acknowledged for 3.0 s" in gap
    assert "kill-node leader" in gap
    assert "member2: 3.0 s to 7.9 s." in gap
    assert "p99 at most 100 ms" in latency
    assert "by percentile" in latency
    assert "etcd" in memory
    assert "HA-11" in memory


def test_drawings_of_failed_criteria_come_first(fake):
    fake.everything()
    fake.histories("HA-10")
    order = [figure.criteria for figure in figures(read_run(fake.directory))]
    assert order == [("HA-11",), ("CL-16",), ("HA-10",), ()]


@pytest.mark.parametrize("damage", ["", "{", '{"kind": "ledger"}\n{"id": 1}\n', '{"no": "kind"}\n'])
def test_a_damaged_history_costs_its_drawing_only(fake, damage):
    fake.everything()
    (fake.directory / "histories" / "HA-11-ledger.jsonl").write_text(damage)
    assert [figure.criteria for figure in figures(read_run(fake.directory))] == [("CL-16",), ()]


def test_a_measurement_of_another_shape_costs_its_drawing_only(fake):
    fake.everything()
    with (fake.directory / "measurements.jsonl").open("a") as file:
        file.write('{"criterion": "CL-16", "name": "x", "latency": {"p99": 1}}\n{"criterion": 3}\n')
    assert [figure.criteria for figure in figures(read_run(fake.directory))] == [("HA-11",), ("CL-16",), ()]


def test_a_run_without_a_fault_starts_its_time_at_the_first_write(fake):
    fake.everything()
    (fake.directory / "faults.jsonl").unlink()
    assert "time 0 is the first write" in figures(read_run(fake.directory))[0].caption


def test_each_phase_has_its_own_files(run):
    for phase in ("integration", "performance", "chaos"):
        assert {path.name for path in (run.directory / phase).iterdir()} >= set(FILES)
    assert not (run.directory / "stress").exists()
    chaos = (run.directory / "chaos" / "output.xml").read_text()
    assert chaos.count("<test ") == 3
    assert "Every node has Citus" not in chaos


def test_writing_reports_says_nothing_on_the_console(fake, capfd):
    fake.everything()
    write_reports(fake.directory)
    assert capfd.readouterr() == ("", "")


def test_a_killed_run_gets_a_log_of_what_it_had_recorded(fake):
    fake.everything()
    text = (fake.directory / "output.xml").read_text()
    (fake.directory / "output.xml").write_text(text[: text.index("PostgreSQL killed alone")])
    for name in ("log.html", "report.html"):
        (fake.directory / name).unlink()
    run = write_reports(fake.directory)
    page = (fake.directory / "index.html").read_text()
    assert run.verdict == "FAIL"
    assert "the run was killed" in page
    assert "No acknowledged write is lost" in (fake.directory / "log.html").read_text()
    assert (fake.directory / "chaos" / "log.html").exists()


def test_an_empty_run_still_has_a_page(tmp_path):
    write_reports(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "STOPPED" in page
    assert Page(page).open == []


def test_the_summary_is_a_table_that_messages_cannot_break(run):
    text = (run.directory / "summary.md").read_text()
    assert text.startswith("# FAIL: 1 fail, 1 inconclusive, 2 skip, 3 pass\n")
    table = text[text.index("## Criteria") : text.index("## Faults")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("| ")}
    assert widths == {9}
    assert "* 2: needs citus, which this environment does not declare (CT-01..02)" in text
    assert LOST in text  # inside a code block, as it is


def test_the_screen_fits_and_hides_no_failure(run):
    text = screen(run, io.StringIO(), run.directory.parent)
    lines = text.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120
    assert "x HA-11 No acknowledged write is lost when the leader is killed" in lines
    assert "  again: ./run.sh --criterion HA-11,HA-12 -- --variable SEED:8731" in lines
    again = screen(replace(run, conditions=("--profile", "full")), io.StringIO(), run.directory.parent)
    assert "  again: ./run.sh --criterion HA-11,HA-12 --profile full -- --variable SEED:8731" in again
    assert f"{run.directory.name}/index.html  (look here first)" in lines


def test_every_page_tells_what_has_been_proven_able_to_fail(run, text, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    told = "proven able to fail 2/7 (last: 2026-11-20)"
    (line,) = [line for line in screen(run, io.StringIO(), run.directory.parent).splitlines() if "proven" in line]
    assert line == f"{told}; unproven: CL-01, CT-01..02, HA-11..12"
    markdown = (run.directory / "summary.md").read_text()
    assert told in markdown
    assert markdown.count("| **unproven** |") == 5
    assert "| `key-index-missing` 2026-11-20 |" in markdown
    assert told in text
    assert text.count('<b class="unproven">unproven</b>') == 5
    assert '<span title="stopped | &lt;b&gt;">admits late</span> <span class="date">2026-11-19</span>' in text


def test_a_damaged_record_of_the_proof_costs_no_page(fake, tmp_path):
    fake.everything()
    (tmp_path / "kills.json").write_text("{")
    run = write_reports(fake.directory, kills=tmp_path / "kills.json")
    assert any(remark.startswith("kills.json: is no record of kills") for remark in run.remarks)
    assert "proven able to fail 0/7" in (fake.directory / "index.html").read_text()


def test_a_run_with_a_defect_is_no_verdict_on_the_criteria(fake, tmp_path):
    fake.everything()
    fake.fingerprint(defect="cache-skips-invalidation")
    write_reports(fake.directory, verdicts=tmp_path / "verdicts.json")
    assert not (tmp_path / "verdicts.json").exists()
    assert "cache-skips-invalidation" in (fake.directory / "index.html").read_text()


def test_the_pages_can_be_made_again_by_hand(fake, capsys):
    fake.everything()
    assert main([str(fake.directory)]) == 0
    assert capsys.readouterr().out.rstrip().splitlines()[-1] == "3 passed, 2 failed, 2 skipped"
    assert main([str(fake.directory / "nowhere")]) == 252
    assert main([]) == 252


@pytest.mark.parametrize(
    ("observations", "spans"),
    [
        ([], []),
        ([(0.0, False)], []),
        ([(0.0, True), (0.1, True), (0.2, False), (0.3, True)], [(0.0, 0.1), (0.3, 0.3)]),
        ([(0.0, True), (5.0, True)], [(0.0, 0.0), (5.0, 5.0)]),
    ],
)
def test_observations_are_joined_while_they_follow_closely(observations, spans):
    assert spans_of(observations, patience=1.0) == spans


def test_a_lane_that_was_never_filled_says_so():
    svg = lanes_chart("Who", {"member1": [(0, 1)], "member2": []}, (0, 2))
    assert "member2: never." in svg
    assert svg.count("<rect") == 1
