"""pgbench through a proxy and beside it: its tables, its runs, and what the mirror's own statistics say of them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.system import Endpoint
from PgDogLibrary.programs import run
from PgDogLibrary.proxied import Proxied
from PostgresLibrary.sessions import Target

SCALE = 1  # 100 000 rows
PATIENCE_SECONDS = 120.0

_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_LOOKED_UP = "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_tables WHERE relname = 'pgbench_accounts'"


@dataclass(frozen=True, slots=True)
class Benched:
    """One run of pgbench: which way, transactions answered, and how many a second."""

    name: str
    transactions: int
    per_second: float


class Tables:
    """pgbench's tables on both servers.

    Args:
        proxy: of the test.
        programs: directory that holds `pgbench`.
    """

    def __init__(self, proxy: Proxied, programs: Path) -> None:
        self.proxy, self.programs = proxy, programs
        self._before = 0

    def make(self) -> None:
        """Fill them on both servers directly, and note how often the mirror's were looked up."""
        for server in (self.proxy.place.primary, self.proxy.place.mirror):
            self._pgbench(server.endpoint, ["-i", "-q", "-s", str(SCALE)])
        self.count_anew()

    def remove(self) -> None:
        """Take them away from both servers."""
        for server in (self.proxy.place.primary, self.proxy.place.mirror):
            server.do(
                "app", "DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers"
            )

    def run(
        self, name: str, endpoint: Endpoint, clients: int, *, transactions: int | None = None, seconds: float = 0
    ) -> Benched:
        """Run `pgbench -S`.

        Args:
            name: of the way.
            endpoint: where it leads to.
            clients: sessions.
            transactions: of each client; None: for so many seconds.
            seconds: rounded to whole ones, at least one.

        Raises:
            AssertionError: it failed, or a transaction did.
        """
        amount = ["-t", str(transactions)] if transactions else ["-T", str(max(1, round(seconds)))]
        return parsed(name, self._pgbench(endpoint, ["-n", "-S", "-c", str(clients), "-j", "2", *amount]))

    def looked_up_on_mirror(self) -> int:
        """Look-ups of single rows on the mirror since it was counted anew."""
        return self._looked_up() - self._before

    def count_anew(self) -> None:
        """Begin to count look-ups on the mirror."""
        self._before = self._looked_up()

    def _looked_up(self) -> int:
        return int(str(self.proxy.place.mirror.ask("app", _LOOKED_UP)[0][0]))

    def _pgbench(self, endpoint: Endpoint, options: Sequence[str]) -> str:
        target = Target(endpoint, "app", self.proxy.users[0])
        return run(self.programs / "pgbench", options, target, seconds=PATIENCE_SECONDS).stdout


def parsed(name: str, said: str) -> Benched:
    """Read what pgbench wrote at its end.

    Args:
        name: of the way.
        said: all of it.

    Raises:
        AssertionError: a transaction failed, or it does not say how many there were.
    """
    done, rate, failed = _DONE.search(said), _RATE.search(said), _FAILED.search(said)
    if done is None or rate is None or (failed and int(failed[1])):
        raise AssertionError(f"pgbench ({name}) did not end well: {said[-400:]}")
    return Benched(name, int(done[1]), float(rate[1]))


def medians(runs: Sequence[Benched]) -> dict[str, float]:
    """Return the median rate of each way."""
    names = dict.fromkeys(run.name for run in runs)
    return {name: statistics.median(run.per_second for run in runs if run.name == name) for name in names}
