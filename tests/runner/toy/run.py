"""Starts the runner with the toy suites, as run.sh does with the real ones.

Usage: python run.py RESULTS [ARGUMENTS OF run.sh]
"""

from __future__ import annotations

import sys
from pathlib import Path

from runner import selection
from runner.command import main
from runner.places import Places

toy = Path(__file__).resolve().parent
selection.preflight = lambda environment: []  # toys need no server programs
sys.exit(main(sys.argv[2:], Places(Path.cwd(), toy / "suites", toy / "variables", Path(sys.argv[1]))))
