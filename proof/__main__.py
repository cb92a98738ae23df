"""`python -m proof`: run every criterion on its defect, and demand that it fails for the right reason."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from criteria import CriteriaProblem, Criterion, catalogue, read_kills
from EnvironmentLibrary.fingerprint import git_commit
from environments import capabilities
from environments.config import EnvironmentFile, load_environment, merged
from environments.errors import EnvironmentProblem
from environments.sections.cluster import citus_overlay
from proof.judgement import CANARY, Executed, Judgement, Outcome, judge, judge_spared
from proof.manifest import ManifestProblem, load_manifest
from proof.record import TABLE, table, update, write_kills
from proof.runs import execute
from proof.sample import rotating_sample
from runner.children import terminate_like_interrupt
from runner.places import PROJECT, Places
from runner.usage import USAGE_ERROR, UsageProblem, unknown


class Proof:
    """One run of the proof over some criteria.

    Args:
        options: of the command line.
        places: of the checkout.

    Raises:
        UsageProblem: an id, the manifest or the environment is wrong; nothing was started.
    """

    def __init__(self, options: argparse.Namespace, places: Places) -> None:
        self.options, self.places = options, places
        try:
            self.criteria = {criterion.id: criterion for criterion in catalogue(places.suites, places.registry)}
            self.manifest = load_manifest(self.criteria)
            self.base = load_environment(options.environment)
            self.overlay = self._citus_overlay()
            environment = self.environment({})
            self.provided = environment.systems.provided
            self.able = {name: capabilities(name, environment) for name in self.provided}
        except (CriteriaProblem, ManifestProblem, EnvironmentProblem) as problem:
            raise UsageProblem(*problem.problems) from None
        self.wanted = self._wanted()
        self.judgements: list[Judgement] = []
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-proof-{secrets.token_hex(2)}"
        self.directory = places.results / name

    def run(self) -> int:
        """Run canary and defects, print a line each, and return the number of lines that speak against a criterion."""
        able = [id_ for id_ in self.wanted if self._lacks(self.criteria[id_]) is None]
        for id_ in self.wanted:
            if (reason := self._lacks(self.criteria[id_])) is not None:
                self._tell(Judgement(id_, "-", Outcome.SKIPPED, 0.0, reason))
            elif not any(id_ in defect.kills for defect in self.manifest.values()):
                self._tell(Judgement(id_, "-", Outcome.ERROR, 0.0, "unproven: no defect of the manifest kills it"))
        self._canary(able)
        for name, defect in self.manifest.items():
            kills = [id_ for id_ in defect.kills if id_ in able]
            if kills:
                executed = self._execute(name, defect.environment_overlay(name), [*kills, *defect.spares])
                for judgement in judge(name, defect, set(kills), executed):
                    self._tell(judgement)
        if not self.options.sample:
            self._record()
        return self._close()

    def _canary(self, criteria: Sequence[str]) -> None:
        executed = self._execute("canary", {}, criteria) if criteria else {}
        for id_ in criteria:
            judgement = judge_spared(id_, CANARY, executed.get(id_))
            if not judgement.is_good:
                self._tell(judgement)
        green = sum(test.status == "PASS" for test in executed.values())
        print(f"canary: {green} of {len(criteria)} criteria are green without a defect", flush=True)

    def _execute(self, name: str, overlay: dict[str, Any], criteria: Sequence[str]) -> dict[str, Executed]:
        return execute(self.environment(overlay), criteria, self.directory / name, self.places)

    def _tell(self, judgement: Judgement) -> None:
        self.judgements.append(judgement)
        print(judgement, flush=True)

    def _record(self) -> None:
        today = datetime.now(UTC).date().isoformat()
        kills = update(read_kills(), self.judgements, today, git_commit())
        write_kills(kills)
        reasons = {name: defect.why for name, defect in self.manifest.items()}
        TABLE.write_text(table(list(self.criteria.values()), kills, reasons), encoding="utf-8")
        print(f"table: {self.places.shown(TABLE)}; artifacts: {self.places.shown(self.directory)}")

    def _close(self) -> int:
        good = sum(judgement.is_good for judgement in self.judgements)
        skipped = sum(judgement.outcome is Outcome.SKIPPED for judgement in self.judgements)
        bad = len(self.judgements) - good - skipped
        if not good and not bad:
            bad = 1  # a proof that ran nothing has proven nothing
            print("nothing was proven: no criterion could run here")
        print(f"{good} passed, {bad} failed, {skipped} skipped", flush=True)
        return bad

    # -- what to run ---------------------------------------------------------------------------------------

    def environment(self, overlay: dict[str, Any]) -> EnvironmentFile:
        """The environment with Citus where wanted, and a defect laid over it."""
        return load_environment(self.options.environment, merged(self.overlay, overlay))

    def _citus_overlay(self) -> dict[str, Any]:
        if self.options.with_citus is None:
            return {}
        if self.base.systems.cluster is None:
            raise UsageProblem(f"--with-citus: environment '{self.base.name}' has no system 'cluster'; choose another")
        return citus_overlay(self.base.systems.cluster, self.options.with_citus)

    def _wanted(self) -> list[str]:
        for id_ in self.options.only:
            if id_ not in self.criteria:
                raise unknown("criterion", id_, list(self.criteria))
        systems = {criterion.system for criterion in self.criteria.values()}
        if self.options.system is not None and self.options.system not in systems:
            raise unknown("system", self.options.system, sorted(systems))
        if self.options.sample:
            able = {id_ for id_, criterion in self.criteria.items() if self._lacks(criterion) is None}
            day = datetime.now(UTC).date().toordinal()
            return rotating_sample(self.manifest, read_kills(), able, day, self.options.sample)
        return [
            criterion.id
            for criterion in self.criteria.values()
            if (not self.options.only or criterion.id in self.options.only)
            and self.options.system in (None, criterion.system)
        ]

    def _lacks(self, criterion: Criterion) -> str | None:
        if criterion.system not in self.provided:
            return f"this environment does not provide {criterion.system}"
        able = self.able[criterion.system]
        missing = [need for need in criterion.needs if need not in able]
        return f"this environment does not declare {', '.join(missing)}" if missing else None


def main(arguments: Sequence[str], places: Places = PROJECT) -> int:
    """Do what `python -m proof` was asked for; return 0 when every line speaks for its criterion."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parser.add_argument("--only", type=_ids, default=[], metavar="HA-10,RC-03", help="these criteria")
    parser.add_argument("--system", metavar="NAME", help="criteria of this system")
    parser.add_argument("--environment", default="embedded", metavar="FILE|NAME", help="default: embedded")
    parser.add_argument("--with-citus", type=Path, metavar="DIR", help="an installation of Citus, see ./run.sh --help")
    parser.add_argument(
        "--sample",
        type=float,
        default=0,
        metavar="SECONDS",
        help="a part that changes every day and takes about this long",
    )
    try:
        with terminate_like_interrupt():
            return min(Proof(parser.parse_args(arguments), places).run(), 249)
    except UsageProblem as problem:
        for line in problem.problems:
            print(f"error: {line}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("stopped; the services of the run that was going on are stopped too", file=sys.stderr)
        return 253


def _ids(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
