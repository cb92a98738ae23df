from __future__ import annotations

import json

import pytest

from EnvironmentLibrary import context
from environments.system import Running, use


@pytest.fixture
def run(tmp_path):
    """A run whose directory is there, with a fingerprint and no system."""
    fingerprint = {
        "run_id": "20261121-1200",
        "git": "abc1234",
        "host": {"cpu": "some cpu", "cores": 2, "memory_mib": 1024, "kernel": "6", "python": "3.11"},
        "services": [
            {
                "system": "cluster",
                "name": "redis",
                "kind": "real",
                "version": "7",
                "address": "h:1",
                "program": "/x",
                "provider": "PATH",
            }
        ],
    }
    (tmp_path / "environment.json").write_text(json.dumps(fingerprint), encoding="utf-8")
    running = Running(
        "embedded", "embedded", "quick", str(tmp_path), 1.0, seed=7, defect="slow-link", system_name="cluster"
    )
    use(running)
    context.set_criterion("CL-16")
    yield running
    context.set_criterion("")
    use(None)
