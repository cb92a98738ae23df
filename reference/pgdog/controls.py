"""The classes of the control plane; a defect puts another one in the place of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from reference.pgdog.config.section import Section
from reference.pgdog.console import Console
from reference.pgdog.metrics.page import Page
from reference.pgdog.pages import Pages
from reference.pgdog.program import Program
from reference.pgdog.tally import Tallies


@dataclass(frozen=True, slots=True)
class Controls:
    """One class for each part."""

    section: type[Section] = Section
    tallies: type[Tallies] = Tallies
    page: type[Page] = Page
    pages: type[Pages] = Pages
    console: type[Console] = Console
    program: type[Program] = Program
