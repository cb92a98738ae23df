"""The section of a vendor's server in the field report, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reporting.explained import Measured, grouped, measured
from reporting.field_report.blocks import block, cut, link, row, wrapped
from reporting.field_report.findings import KINDS, Finding
from reporting.field_report.subject import Sight, Subject, sights
from reporting.rundata import Row
from reporting.texts import duration, number
from reporting.verdicts import Word

_EVIDENCE = re.compile(r"\bevidence/([\w.-]*\w)")
_FAILED: tuple[Word, ...] = ("fail", "inconclusive")


def section(subject: Subject) -> str:
    """Return the whole section."""
    found = sights(subject)
    return "\n".join(_lines(subject, found)) + "\n"


def _lines(subject: Subject, found: Sequence[Sight]) -> Iterator[str]:
    shown = [sight for sight in found if sight.seen is not False]
    yield f"## {_named(subject)}: the vendor's own server"
    yield ""
    yield _counts(subject, shown)
    yield ""
    yield from _facts(subject)
    yield from _overview(shown)
    yield from _table(subject)
    yield from _failures(subject, found)
    yield from _skips(subject)
    yield from _findings(subject, shown)
    yield from _unseen([sight for sight in found if sight.seen is False])


def _named(subject: Subject) -> str:
    return f"{subject.book.name} {subject.server.get('version', '')}".strip()


def _counts(subject: Subject, shown: Sequence[Sight]) -> str:
    verdicts = [row.verdict for row in subject.rows]
    words = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "skip": "skipped"}
    counted = ", ".join(f"{verdicts.count(word)} {told}" for word, told in words.items() if word in verdicts)
    new = sum(not sight.finding.known for sight in shown)
    return (
        f"Of {len(verdicts)} criteria **{counted}**. {len(shown)} findings, {new} of them new: what was known of this "
        "server from its documents and its source did not have them."
    )


# -- what was tested ---------------------------------------------------------------------------------------------


def _facts(subject: Subject) -> Iterator[str]:
    run, server = subject.run, subject.server
    facts, host = run.fingerprint, run.fingerprint.get("host") or {}
    began = f"{run.started:%Y-%m-%d %H:%M} UTC" if run.started else ""
    ran = [
        f"`{subject.name}`",
        began,
        duration(run.seconds) if run.seconds else "",
        f"profile {facts.get('profile')}",
        f"seed {facts.get('seed')}",
        f"commit {facts.get('git')} of this project",
    ]
    machine = [
        str(host.get("cpu", "")),
        f"{host.get('cores')} cores",
        f"{number(float(host.get('memory_mib', 0)))} MiB",
        f"Linux {host.get('kernel')}",
        f"Python {host.get('python')}",
    ]
    yield "| | |"
    yield "|---|---|"
    yield row("tested", f"{_named(subject)}, from: {server.get('provider')}")
    yield row("run", ", ".join(part for part in ran if part))
    yield row("machine", ", ".join(part for part in machine if part))
    yield row("around it", _around(subject))
    yield row(
        "all of it again", f"`{subject.command()}`; the same choices with `-- --variable SEED:{facts.get('seed')}`"
    )


def _around(subject: Subject) -> str:
    services = subject.run.fingerprint.get("services") or []
    others = [s for s in services if s.get("system") == subject.system and s.get("name") != subject.book.service]
    return ", ".join(
        f"{s.get('name')} {s.get('version')}" + ("" if s.get("kind") == "real" else f" ({s.get('kind')})")
        for s in others
    )


def _overview(shown: Sequence[Sight]) -> Iterator[str]:
    new = [sight.finding for sight in shown if not sight.finding.known]
    if new:
        yield "\n### What is new\n"
    for kind, words in KINDS.items():
        titles = [link(finding.title) for finding in new if finding.kind == kind]
        if titles:
            yield f"* {words}:"
            yield from (f"  * {title}" for title in titles)


# -- criteria ----------------------------------------------------------------------------------------------------


def _table(subject: Subject) -> Iterator[str]:
    yield "\n### The criteria\n"
    yield "| id | verdict | criterion | measured | budget |"
    yield "|---|---|---|---|---|"
    for one in subject.rows:
        values = measured(subject.run, one)
        verdict = one.verdict if one.verdict == "pass" else f"**{one.verdict}**"
        name = link(one.id) if one.verdict in _FAILED else one.id
        yield row(name, verdict, one.statement, "<br>".join(_told(values)), "<br>".join(_budgets(values)))


def _told(values: Sequence[Measured]) -> list[str]:
    return [f"{value.of} {value.value}" for value in values if value.value]


def _budgets(values: Sequence[Measured]) -> list[str]:
    return [f"{value.of} {value.budget}" for value in values if value.budget]


def _failures(subject: Subject, found: Sequence[Sight]) -> Iterator[str]:
    failed = [one for one in subject.rows if one.verdict in _FAILED]
    if failed:
        yield "\n### What failed"
    for one in failed:
        yield f"\n#### {one.id}\n"
        yield f"{one.statement}.{_figures(subject, one)}\n"
        message = subject.told(one.message)
        yield from block(wrapped(message))
        yield from _evidence(subject, message)
        findings = [sight.finding for sight in found if sight.seen and sight.finding.criterion == one.id]
        if findings:
            yield f"\nExplained by: {', '.join(link(finding.title) for finding in findings)}."
        yield f"\nAgain: `{subject.command(one.id)}`"


def _figures(subject: Subject, one: Row) -> str:
    values = measured(subject.run, one)
    figures = (("Demanded", _budgets(values)), ("Measured", _told(values)))
    return "".join(f" {word}: {', '.join(told)}." for word, told in figures if told)


def _evidence(subject: Subject, message: str) -> Iterator[str]:
    """Show the files of the run's evidence that a message names."""
    for name in dict.fromkeys(_EVIDENCE.findall(message)):
        path = subject.run.directory / "evidence" / name
        shown = f"results/{subject.name}/evidence/{name}"
        if path.is_file():
            yield f"\n`{name}`:\n"
            yield from block(cut(path, shown))


def _skips(subject: Subject) -> Iterator[str]:
    groups = grouped(subject.rows, ["skip"])
    if groups:
        yield "\n### What was skipped\n"
    for group in groups:
        yield f"* {group.ids}: {group.reason}"


# -- findings ----------------------------------------------------------------------------------------------------


def _findings(subject: Subject, shown: Sequence[Sight]) -> Iterator[str]:
    if not shown:
        return
    yield "\n### What was found\n"
    yield "New findings come first, the weightiest of them at the top. The commands of each follow on these:\n"
    yield from block(subject.book.prepare.splitlines(), "sh")
    for sight in shown:
        yield from _finding(subject, sight)


def _finding(subject: Subject, sight: Sight) -> Iterator[str]:
    finding = sight.finding
    yield f"\n#### {finding.title}\n"
    yield f"*{'; '.join(_marks(sight))}*\n"
    yield f"{finding.matters} Right would be: {finding.expected}\n"
    yield from block([*wrapped(finding.asked), "", *wrapped(_arrowed(finding.answered))])
    if finding.repeat is not None:
        yield "\nAgain:\n"
        yield from block(finding.repeat.splitlines(), "sh")
    elif finding.criterion is not None:
        yield f"\nAgain: `{subject.command(finding.criterion)}`"


def _arrowed(answered: str) -> str:
    return "\n".join(f"→ {line}" for line in answered.splitlines())


def _marks(sight: Sight) -> Iterator[str]:
    finding: Finding = sight.finding
    yield "known" if finding.known else "new"
    yield KINDS[finding.kind]
    yield f"seen in this run by {finding.criterion}" if sight.seen else "shown by the commands below"
    if sight.instead:
        yield sight.instead


def _unseen(sights: Sequence[Sight]) -> Iterator[str]:
    if sights:
        yield "\n### Not seen in this run\n"
        yield "Written down as findings, but the run shows something else:\n"
    for sight in sights:
        yield f"* {sight.finding.title}. Seen instead: {' '.join(sight.instead.split())}"
