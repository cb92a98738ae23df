"""Mistakes of the person or the machine, told in one line each: what is wrong and how to cure it."""

from __future__ import annotations


class EnvironmentProblem(Exception):
    """The environment cannot be used as described; nothing was started, or all of it was stopped again.

    Args:
        problems: one line per mistake. Each names the key or the thing, then the cure.
    """

    ROBOT_SUPPRESS_NAME = True

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
