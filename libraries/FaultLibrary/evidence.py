"""What is written down of faults: one line each when it is over, and a look at the system before it is healed."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from environments.system import System
from FaultLibrary import observers
from FaultLibrary.lifecycle import Fault
from FaultLibrary.steady import patroni_of
from PatroniLibrary.rest import PatroniApi

LOOK_SECONDS = 0.5  # an address that says nothing for so long is written down as silent

RECORDS = "faults.jsonl"
DIRECTORY = "evidence"


def append_record(results: Path, fault: Fault) -> None:
    """Add the line of a fault that is over."""
    with (results / RECORDS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(fault.record()) + "\n")


def collect(results: Path, system: System, fault: Fault) -> Path:
    """Write down how everything is while the fault is in force, and return the file."""
    begin = time.time()
    with ThreadPoolExecutor(max_workers=3, thread_name_prefix="evidence") as pool:
        views = pool.submit(_views, system)
        counters = pool.submit(_counters, system)
        content = {
            "at": begin,
            "fault": fault.record(),
            "processes": {name: _states(service.processes()) for name, service in system.services.items()},
            "views": views.result(),
            "links": counters.result(),
        }
    directory = results / DIRECTORY
    directory.mkdir(exist_ok=True)
    path = directory / f"{fault.criterion or 'suite'}-{fault.kind}-{int(begin * 1000)}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def _views(system: System) -> dict[str, str]:
    if not (urls := patroni_of(system)):
        return {}
    return {url: str(view) for url, view in PatroniApi(urls, LOOK_SECONDS).views().items()}


def _counters(system: System) -> dict[str, Any]:
    return {name: dict(system.link_counters(name)) for name in system.links}


def _states(pids: Any) -> dict[int, str]:
    return {pid: observers.state(pid) for pid in pids}
