"""The file with users, which both dialects have: who may log in to what, and with which password."""

from __future__ import annotations

from environments import toml
from environments.pgdog.options import ProxyOptions
from environments.pgdog.written import blank

APP, OTHER = "app", "other"
"""The users of a proxy; both have a login on both servers."""


def users_file(options: ProxyOptions) -> str:
    """Write who may log in to each database, and to its mirror."""
    everybody = (APP, OTHER)
    mirrored = everybody if options.mirror_users is None else options.mirror_users
    listed: list[toml.Table] = [
        {"name": user, "database": name, "password": blank(f"{user}_password")}
        for database in options.databases
        for name, users in ((database.name, everybody), (database.mirror_name, mirrored))
        for user in users
    ]
    return toml.text({}, {"users": listed})
