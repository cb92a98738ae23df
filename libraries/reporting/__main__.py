"""`python -m reporting DIRECTORY`: makes the pages of a run again, also of one that was killed."""

from __future__ import annotations

import sys
from pathlib import Path

from criteria import CriteriaProblem, catalogue
from criteria.kills import KILLS
from reporting.closing import closing_line
from reporting.screen import screen
from reporting.writer import write_reports


def main(arguments: list[str]) -> int:
    """Rebuild the pages of one run.

    Returns:
        0: done; 252: no such run.
    """
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print("usage: python -m reporting results/RUN-ID")
        return 0 if arguments else 252
    directory = Path(arguments[0]).resolve()
    if not directory.is_dir():
        print(f"error: {arguments[0]}: no such run; results/latest is the last one", file=sys.stderr)
        return 252
    try:
        known = catalogue()
    except CriteriaProblem:
        known = []  # the run's own list is enough
    run = write_reports(directory, known, kills=KILLS)
    print(screen(run, sys.stdout, Path.cwd()))
    print(closing_line(run))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
