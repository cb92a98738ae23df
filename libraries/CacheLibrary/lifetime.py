"""How long a key with a time to live lives, by the client's clock and by the server's. No robot import."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

from CacheLibrary.server import Client

POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a key with a time to live; seconds since its SET was sent."""

    began: float
    ended: float
    there: bool
    remaining: float  # seconds by PTTL, negative when gone or without an end


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How a key with a time to live lived. `acknowledged`: seconds from sending SET to its answer."""

    ttl: float
    acknowledged: float
    looks: tuple[Look, ...]

    @property
    def last_there(self) -> float:
        """Seconds after which it was last found; 0 when it never was."""
        return max((look.ended for look in self.looks if look.there), default=0.0)

    @property
    def overdue(self) -> float | None:
        """Seconds from its end to the first look that missed it; None when none did."""
        gone = next((look for look in self.looks if not look.there), None)
        return None if gone is None else max(0.0, gone.began - self.acknowledged - self.ttl)

    def check_readable_until_its_end(self) -> None:
        """Demand that it was never gone early: each look that ended before SET was sent + ttl must find it.

        Raises:
            AssertionError: it was, or nobody looked.
        """
        early = [look for look in self.looks if look.ended < self.ttl]
        if not early:
            raise AssertionError(f"nobody looked at the key before its {self.ttl:g} s were over")
        gone = next((look for look in early if not look.there), None)
        if gone is not None:
            raise AssertionError(f"the key was gone after {gone.ended:.3f} s, expected it to live for {self.ttl:g} s")

    def check_gone_within(self, seconds: float) -> None:
        """Demand that it is gone so long after its end at the latest.

        Raises:
            AssertionError: it was still there.
        """
        last, overdue = self.looks[-1], self.overdue
        if overdue is None:
            raise AssertionError(
                f"the key is still there after {last.began:.3f} s, expected it gone after {self.ttl:g} s "
                f"and at most {seconds:g} s more ({len(self.looks)} looks)"
            )
        if overdue > seconds:
            raise AssertionError(
                f"the key was seen gone only {overdue:.3f} s after its {self.ttl:g} s were over, limit {seconds:g} s"
            )

    def check_counts_down(self) -> None:
        """Demand that the remaining time falls from look to look and agrees with the clock.

        Raises:
            AssertionError: it does not.
        """
        alive = [look for look in self.looks if look.there and look.remaining >= 0]
        if len(alive) < 3 or any(look.remaining < 0 for look in self.looks if look.there and look.ended < self.ttl):
            raise AssertionError(f"Redis names no remaining time for the key; expected {self.ttl:g} s counting down")
        for one, next_ in pairwise(alive):
            if next_.remaining > one.remaining:
                raise AssertionError(f"the remaining time rose from {one.remaining:.3f} s to {next_.remaining:.3f} s")
        for look in alive:
            earliest, latest = self.ttl - look.ended, self.ttl - look.began + self.acknowledged
            if not earliest - 0.002 <= look.remaining <= latest + 0.002:  # PTTL is rounded to milliseconds
                raise AssertionError(
                    f"the remaining time is {look.remaining:.3f} s after {look.began:.3f} s, "
                    f"expected {earliest:.3f} s to {latest:.3f} s"
                )


def watch_life(client: Client, key: str, ttl: float, patience: float) -> Lifetime:
    """Set a key with a time to live and look at it until it is gone.

    Args:
        client: of Redis.
        key: a name nobody else uses.
        ttl: seconds.
        patience: seconds after its end for which it may still be there.
    """
    start = time.perf_counter()
    client.set(key, b"short-lived", px=round(ttl * 1000))
    acknowledged = time.perf_counter() - start
    looks: list[Look] = []
    while True:
        began = time.perf_counter() - start
        with client.pipeline(transaction=True) as pipeline:
            there, remaining = pipeline.get(key).pttl(key).execute()
        looks.append(Look(began, time.perf_counter() - start, there is not None, remaining / 1000))
        if there is None or began > acknowledged + ttl + patience:
            return Lifetime(ttl, acknowledged, tuple(looks))
        time.sleep(POLL_SECONDS)
