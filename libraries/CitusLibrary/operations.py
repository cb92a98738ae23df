"""What a load of queries sends: each checks its answer, so that a quick wrong one does not count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from CitusLibrary.entries import PAIRS_OF_ONE_NAMESPACE, PAUSE_SECONDS, ROWS_A_SIDE, WITH_PAUSES
from CitusLibrary.nodes import STATEMENT_TIMEOUT, coordinator, target
from CitusLibrary.parallel import GroupWork, ParallelRun
from CitusLibrary.search import Searching, VectorSearch
from measurement.results import Outcome
from PostgresLibrary.sessions import connect, rows
from VectorLibrary.nearest import defects


class _Operation:
    """One worker of a load: a session of its own."""

    def __init__(self) -> None:
        self.session = connect(target(coordinator()), settings={"statement_timeout": STATEMENT_TIMEOUT})
        self.session.autocommit = True

    def close(self) -> None:
        """Close the session."""
        self.session.close()


class Joins(_Operation):
    """Joins the memory entries and patterns of one namespace after the other."""

    def __init__(self, namespaces: Sequence[str]) -> None:
        super().__init__()
        self.namespaces = namespaces

    def __call__(self, index: int) -> Outcome | None:
        """Join one namespace and count its pairs."""
        pairs = rows(self.session, PAIRS_OF_ONE_NAMESPACE, (self.namespaces[index % len(self.namespaces)],))
        expected = ROWS_A_SIDE**2
        return None if len(set(pairs)) == expected else Outcome.wrong(f"{len(pairs)} pairs, expected {expected}")


class PausingQueries(_Operation):
    """Counts rows by namespace with a pause at each row, so that the work of a query is known."""

    def __init__(self, namespaces: Sequence[str], number: int) -> None:
        """Prepare.

        Args:
            namespaces: one for each shard.
            number: rows in all of them.
        """
        super().__init__()
        self.namespaces, self.number = list(namespaces), number

    def __call__(self, _: int) -> Outcome | None:
        """Send the query and count what it counted."""
        counted = sum(group.count for group in self.run().groups)
        return None if counted == self.number else Outcome.wrong(f"{counted} rows counted, expected {self.number}")

    def run(self) -> ParallelRun:
        """Send the query and note when each group was worked on."""
        begin = time.monotonic()
        found = rows(self.session, WITH_PAUSES, (self.namespaces,))
        seconds = time.monotonic() - begin
        return ParallelRun(tuple(GroupWork(*row) for row in found), seconds, self.number * PAUSE_SECONDS)


def parallel_run(namespaces: Sequence[str], number: int) -> ParallelRun:
    """Send one such query and note when each group was worked on."""
    with closing(PausingQueries(namespaces, number)) as queries:
        return queries.run()


class Searches(_Operation):
    """Searches one vector after the other, each search in a transaction that carries its settings to every shard."""

    def __init__(self, searching: Searching) -> None:
        super().__init__()
        self.searching = searching
        self.search = VectorSearch(self.session, searching)

    def __call__(self, index: int) -> Outcome | None:
        """Search one vector and hold the answer against the exact distances, apart from its recall."""
        number = index % len(self.searching.texts)
        with self.search.transaction():
            answer = self.search.find(number)
        wrong = defects(answer, self.searching.truth[number], self.searching.neighbours)
        return Outcome.wrong("; ".join(wrong)) if wrong else None
