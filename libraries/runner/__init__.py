"""The two commands: `run.sh` runs criteria (`python -m runner`), `test.sh` the project's own checks."""
