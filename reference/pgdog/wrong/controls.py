"""The classes of a control plane with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.pgdog.controls import Controls
from reference.pgdog.wrong import counting, running, showing
from reference.pgdog.wrong.switch import Defect

_CHANGED: dict[Defect, Controls] = {
    Defect.AVERAGES_WRONGLY: Controls(tallies=counting.HalvingTallies),
    Defect.FORGETS_MAXIMUM: Controls(tallies=counting.ForgetfulTallies),
    Defect.MIXES_DATABASES: Controls(tallies=counting.OneDatabase),
    Defect.MIXES_USERS_IN_METRICS: Controls(tallies=counting.OneUser),
    Defect.COUNTS_ERRORS_IN_TOTAL: Controls(tallies=counting.DoublyCountingTallies),
    Defect.SHOWS_DISABLED_METRICS: Controls(tallies=counting.AlwaysCounting),
    Defect.COUNTS_EXPENSIVELY: Controls(tallies=counting.RecountingTallies),
    Defect.LAST_SUCCESS_NEVER_SET: Controls(tallies=counting.SilentTallies),
    Defect.DOUBLES_TYPE_LINES: Controls(page=showing.RepeatingPage),
    Defect.RENDERS_FLOATS: Controls(page=showing.FloatPage),
    Defect.PROMISES_OPENMETRICS: Controls(pages=showing.PromisingPages),
    Defect.STALE_METRICS: Controls(page=showing.KeptPage),
    Defect.SLOW_METRICS: Controls(page=showing.LockedPage),
    Defect.STALE_CONSOLE: Controls(console=showing.StaleConsole),
    Defect.READY_DESPITE_ERRORS: Controls(console=showing.LenientConsole),
    Defect.FORGETS_REASONS: Controls(console=showing.SecretiveConsole),
    Defect.WRONG_SCORE: Controls(console=showing.SimpleConsole),
    Defect.TAKES_WRONG_KEYS: Controls(section=running.LenientSection),
    Defect.ZEROES_ON_RELOAD: Controls(program=running.ForgettingProgram),
    Defect.RELOAD_ENDS_CLIENTS: Controls(program=running.ReplacingProgram),
    Defect.KEEPS_COUNTERS_OVER_RESTART: Controls(program=running.RememberingProgram),
}
"""Those of the control plane; what the data plane does wrong is its own."""


def controls_with(defect: Defect) -> Controls:
    """Return the parts of a proxy with a defect; those of the data plane change nothing here."""
    return _CHANGED.get(defect, Controls())
