"""`python -m runner`: what run.sh starts."""

from __future__ import annotations

import sys

from runner.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
