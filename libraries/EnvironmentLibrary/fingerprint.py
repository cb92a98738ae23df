"""Who answered, on what machine, from which source: the head of every report."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from environments.config import ROOT
from environments.system import Running


def write_fingerprint(run: Running, run_id: str) -> Path:
    """Write `environment.json` of the run and return its path; called again when a system has started."""
    content: dict[str, Any] = {
        "run_id": run_id,
        "environment": run.name,
        "driver": run.driver,
        "profile": run.profile,
        "seed": run.seed,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": git_commit(),
        "defect": run.defect,
        "timeout_multiplier": run.timeout_multiplier,
        "host": host(),
        "services": [
            {"system": system, **dataclasses.asdict(facts)} for system, seen in run.seen.items() for facts in seen
        ],
    }
    path = Path(run.results) / "environment.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def host() -> dict[str, Any]:
    """The machine: processor, cores, memory in MiB, kernel, Python."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def git_commit() -> str:
    """Commit of this checkout, with a plus sign when it was changed since; "unknown" without git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
