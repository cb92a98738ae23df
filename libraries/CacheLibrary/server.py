"""What Redis says of itself, and what follows from it. No robot import: clients come as arguments."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Client = Any  # redis.Redis; its methods are typed for the asynchronous client too

VALUES: Mapping[str, bytes] = {
    "empty": b"",
    "text": b"a plain value",
    "digits": b"007",
    "accents and symbols": "naïve café, 記憶, 💡".encode(),
    "every byte": bytes(range(256)),
    "line ends and quotes": b"\r\n$5\r\nOK\"'\\\0",
    "one MiB": random.Random(3).randbytes(1024 * 1024),
}
"""Values of every kind that a cache may be given."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What INFO says of the server."""

    role: str
    mode: str
    version: str
    uptime: int  # seconds
    run_id: str

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Identity:
        """Read it from INFO; Valkey has names of its own for mode and version beside Redis's."""
        return cls(
            role=str(info.get("role", "")),
            mode=str(info.get("redis_mode") or info.get("server_mode", "")),
            version=str(info.get("valkey_version") or info.get("redis_version", "")),
            uptime=int(info.get("uptime_in_seconds", -1)),
            run_id=str(info.get("run_id", "")),
        )

    def check(self, declared_version: str) -> None:
        """Demand a server of its own that takes writes.

        Args:
            declared_version: what the environment says of it, "" when it says nothing.

        Raises:
            AssertionError: naming each field that is wrong.
        """
        wrong = []
        if self.role != "master":
            wrong.append(f"role is {self.role!r}, expected 'master', which takes writes")
        if self.mode != "standalone":
            wrong.append(f"mode is {self.mode!r}, expected 'standalone'")
        if not self.version[:1].isdigit() or self.version not in (declared_version or self.version):
            wrong.append(f"version is {self.version!r}, expected {declared_version or 'a number'}")
        if self.uptime < 0 or len(self.run_id) != 40:
            wrong.append(f"uptime is {self.uptime} s and run_id {self.run_id!r}, expected those of a running process")
        if wrong:
            raise AssertionError(f"Redis describes itself wrongly: {'; '.join(wrong)}")


def missing_clients(observer: Client, connections: Sequence[Client], before: int) -> str | None:
    """Say how the server's count of clients differs from what it was before these connections, None: it does not."""
    counted = int(observer.info("clients")["connected_clients"]) - before
    listed = {int(client["id"]) for client in observer.client_list()}
    unlisted = [identity for client in connections if (identity := int(client.client_id())) not in listed]
    if unlisted:
        return f"{len(unlisted)} of {len(connections)} connections are not in Redis's list of clients"
    if counted != len(connections):
        return f"Redis counts {counted} more clients than before, expected {len(connections)}"
    return None


def check_answers(expected: Sequence[bytes | None], actual: Sequence[bytes | None], what: str) -> None:
    """Demand the same answers in the same order.

    Raises:
        AssertionError: with the first difference.
    """
    if len(actual) != len(expected):
        raise AssertionError(f"{what}: expected {len(expected)} answers, got {len(actual)}")
    wrong = [index for index, pair in enumerate(zip(expected, actual, strict=True)) if pair[0] != pair[1]]
    if wrong:
        first = wrong[0]
        raise AssertionError(
            f"{what}: {len(wrong)} of {len(expected)} answers are wrong; "
            f"first at {first}: expected {expected[first]!r}, got {actual[first]!r}"
        )


def entries_with(client: Client, text: str) -> dict[bytes, int]:
    """Find the string values that contain a text, whatever their keys are called: name -> milliseconds to live."""
    needle = text.encode()
    names: list[bytes] = list(client.scan_iter(count=1000, _type="string"))
    found = {}
    for start in range(0, len(names), 500):
        part = names[start : start + 500]
        for name, value in zip(part, client.mget(part), strict=True):
            if value is not None and needle in value:
                found[name] = int(client.pttl(name))
    return found
