"""Turns what a run has recorded into pages a person wants to read; works on partial runs too."""

from __future__ import annotations

from reporting.closing import closing, closing_line
from reporting.rundata import RunData, read_run
from reporting.writer import write_reports

__all__ = ["RunData", "closing", "closing_line", "read_run", "write_reports"]
