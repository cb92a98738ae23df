"""Start the link proxy: `python environments/embedded/link_proxy/__main__.py --help`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":  # started by path: below `environments` it would import what a quick start cannot afford
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import_module("link_proxy.control").main(sys.argv[1:])
