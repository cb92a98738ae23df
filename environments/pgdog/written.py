"""The files of a proxy before it has a place: what is only known then stands in them as a blank."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
_BLANK = re.compile(r'"@(\w+)@"')


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration in one dialect, valid TOML with blanks such as `"@port@"`; it holds no password and no port.

    Args:
        text: of the configuration file.
        users: of the file with users.
    """

    text: str
    users: str | None


def blank(name: str) -> str:
    """Return what stands for a value until `filled`.

    Args:
        name: port, admin_port, metrics_port, primary_port, mirror_port, app_password, other_password or admin_password.
    """
    return f"@{name}@"


def filled(text: str, values: Mapping[str, str | int]) -> str:
    """Put values in the place of blanks; one that has none stays, for what is written by hand may be wrong."""
    return _BLANK.sub(lambda found: json.dumps(values[found[1]]) if found[1] in values else found[0], text)
