# Sourced by run.sh and test.sh: finds a Python, brings .venv up to date and leaves its interpreter in $venv_python.
# Usage: source bootstrap.sh REQUIREMENTS-FILE
# The work is done by libraries/runner/bootstrap.py, which needs nothing but the standard library.

unset PYTHONPATH PYTHONHOME # a run must not depend on what the caller's shell has set

project_root="$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)"
venv_python="$project_root/.venv/bin/python"

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -n "$candidate" ] && "$candidate" -c \
            'import sys; assert sys.version_info >= (3, 11); import ensurepip, venv' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or newer with the venv module was found; install one (on Debian: python3 and" \
        "python3-venv) or name it: PYTHON=/path/to/python3 $0" >&2
    return 1
}

# The interpreter of a finished .venv is good enough to find out that there is nothing to do.
if ! "$venv_python" "$project_root/libraries/runner/bootstrap.py" --check "$1" 2>/dev/null; then
    base_python="$(find_python)" || exit 252
    "$base_python" "$project_root/libraries/runner/bootstrap.py" "$1" || exit 252
fi
