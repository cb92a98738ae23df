"""The classes of a control plane with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.pgdog.parts import Parts
from reference.pgdog.wrong import counting, running, showing
from reference.pgdog.wrong.switch import Defect

_CHANGED: dict[Defect, Parts] = {
    Defect.AVERAGES_WRONGLY: Parts(tallies=counting.HalvingTallies),
    Defect.FORGETS_MAXIMUM: Parts(tallies=counting.ForgetfulTallies),
    Defect.MIXES_DATABASES: Parts(tallies=counting.OneDatabase),
    Defect.MIXES_USERS_IN_METRICS: Parts(tallies=counting.OneUser),
    Defect.COUNTS_ERRORS_IN_TOTAL: Parts(tallies=counting.DoublyCountingTallies),
    Defect.SHOWS_DISABLED_METRICS: Parts(tallies=counting.AlwaysCounting),
    Defect.COUNTS_EXPENSIVELY: Parts(tallies=counting.RecountingTallies),
    Defect.LAST_SUCCESS_NEVER_SET: Parts(tallies=counting.SilentTallies),
    Defect.DOUBLES_TYPE_LINES: Parts(page=showing.RepeatingPage),
    Defect.RENDERS_FLOATS: Parts(page=showing.FloatPage),
    Defect.STALE_METRICS: Parts(page=showing.KeptPage),
    Defect.SLOW_METRICS: Parts(page=showing.LockedPage),
    Defect.STALE_CONSOLE: Parts(console=showing.StaleConsole),
    Defect.READY_DESPITE_ERRORS: Parts(console=showing.LenientConsole),
    Defect.FORGETS_REASONS: Parts(console=showing.SecretiveConsole),
    Defect.WRONG_SCORE: Parts(console=showing.SimpleConsole),
    Defect.TAKES_WRONG_KEYS: Parts(section=running.LenientSection),
    Defect.ZEROES_ON_RELOAD: Parts(program=running.ForgettingProgram),
    Defect.RELOAD_ENDS_CLIENTS: Parts(program=running.ReplacingProgram),
    Defect.KEEPS_COUNTERS_OVER_RESTART: Parts(program=running.RememberingProgram),
}
"""Those of the control plane; what the data plane does wrong is its own."""


def parts_with(defect: Defect) -> Parts:
    """Return the parts of a proxy with a defect; those of the data plane change nothing here."""
    return _CHANGED.get(defect, Parts())
