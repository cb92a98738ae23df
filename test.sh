#!/usr/bin/env bash
# Sets up what is missing and runs the project's own checks; ./test.sh --help says how.
set -euo pipefail
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/bootstrap.sh" requirements-dev.txt
exec "$venv_python" -P -m runner.checks "$@"
