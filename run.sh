#!/usr/bin/env bash
# Sets up what is missing and runs the acceptance criteria; ./run.sh --help says how.
set -euo pipefail
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/bootstrap.sh" requirements.txt
exec "$venv_python" -P -m runner "$@"
