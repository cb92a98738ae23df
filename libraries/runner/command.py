"""The `run.sh` command from its arguments to its exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from criteria import Kill, VerdictBook, read_kills
from runner.arguments import parse
from runner.execution import STOPPED, Run
from runner.places import PROJECT, Places
from runner.selection import chosen_criteria, chosen_environment, fetch, listing
from runner.usage import USAGE_ERROR, UsageProblem


def main(arguments: Sequence[str], places: Places = PROJECT) -> int:
    """Do what `run.sh` was asked for.

    Args:
        arguments: those of the command line.
        places: where suites, variables and results are.

    Returns:
        0: all passed; 1-249: that many criteria failed; 250 and more as Robot Framework defines, with 252 for
        wrong use, when nothing was started.
    """
    try:
        request = parse(arguments)
        criteria = chosen_criteria(request, places)
        if request.list_only:
            print(listing(criteria, VerdictBook(places.results / "verdicts.json").read(), _kills(places)))
            return 0
        environment = chosen_environment(request, {criterion.system for criterion in criteria})
        fetch(environment, criteria)
        run = Run(request, criteria, environment, places)
    except UsageProblem as problem:
        for line in problem.problems:
            print(f"error: {line}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("stopped before anything was started", file=sys.stderr)
        return STOPPED
    return run.execute()


def _kills(places: Places) -> dict[str, Kill]:
    try:
        return read_kills(places.kills)
    except (OSError, ValueError) as error:
        raise UsageProblem(str(error)) from None
