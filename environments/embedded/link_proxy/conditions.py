"""What can be wrong with a link; `link_proxy` says what each condition means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TO_SERVER, TO_CLIENT = "to-server", "to-client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)

HANG_CAPACITY = 256 * 1024  # bytes one hanging direction takes in before its sender has to stop
DELAY_CAPACITY = 16 * 1024 * 1024  # bytes in flight on a delayed direction: 160 MB/s at 100 ms
SLICE_SECONDS = 0.01  # a limited direction is fed in slices of this length


@dataclass(frozen=True)
class Condition:
    """What is wrong with a link. See the package's documentation for the meaning of each field."""

    cut: bool = False
    reset: bool = False
    hang: bool = False
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bandwidth_bytes_per_second: float = 0.0  # 0: no limit
    direction: str = "both"

    @classmethod
    def parse(cls, values: Mapping[str, object] | None) -> Condition:
        """Read a condition; None is a healthy link.

        Raises:
            ValueError: one line that says what is wrong with it.
        """
        if values is None:
            return HEALTHY
        known = cls.__dataclass_fields__
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"condition '{name}' is unknown; use any of: {', '.join(known)}")
            wanted = type(known[name].default)
            if wanted is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                continue
            if wanted is not float and isinstance(value, wanted):
                continue
            kind = {float: "a number of at least 0", bool: "true or false", str: "text"}[wanted]
            raise ValueError(f"condition '{name}' must be {kind}, not {value!r}")
        condition = cls(**values)  # type: ignore[arg-type]
        problem = condition._problem()
        if problem:
            raise ValueError(problem)
        return condition

    def _problem(self) -> str | None:
        absolute = [name for name in ("cut", "reset", "hang") if getattr(self, name)]
        gradual = [n for n in ("latency_ms", "jitter_ms", "bandwidth_bytes_per_second") if getattr(self, n)]
        if not absolute and not gradual:
            return "the condition leaves the link healthy; give None for that"
        if len(absolute) > 1 or (absolute and gradual):
            return f"{' and '.join([*absolute, *gradual])} do not go together; choose one"
        if self.jitter_ms > self.latency_ms:
            return f"jitter_ms {self.jitter_ms:g} is more than latency_ms {self.latency_ms:g}; nothing arrives early"
        if self.direction not in ("both", *DIRECTIONS):
            return f"direction '{self.direction}' is unknown; use both, {TO_SERVER} or {TO_CLIENT}"
        if self.direction != "both" and (self.cut or self.reset):
            return f"{absolute[0]} always concerns both directions; leave 'direction' out"
        return None

    def of(self, direction: str) -> Condition:
        """What of this condition concerns one direction."""
        return self if self.direction in ("both", direction) else HEALTHY

    @property
    def capacity(self) -> int:
        """How many bytes a direction holds before its sender has to stop."""
        if self.hang:
            return HANG_CAPACITY
        delay = (self.latency_ms + self.jitter_ms) / 1000
        rate = self.bandwidth_bytes_per_second
        if rate:
            return int(rate * (delay + SLICE_SECONDS)) + 1
        return DELAY_CAPACITY if delay else 0


HEALTHY = Condition()
