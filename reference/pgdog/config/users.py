"""users.toml: who may work on which mirror, and with what password."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reference.pgdog.config.section import Section
from reference.pgdog.settings import Source
from reference.toml_file import content_of

_TOP = ("users",)
_KEYS = (
    "name", "password", "database", "databases", "all_databases", "server_user", "server_password", "pool_size",
)  # fmt: skip


@dataclass(slots=True)
class Users:
    """Logins by (user, database name); `listed` holds those without a password too."""

    file: Path
    listed: set[tuple[str, str]] = field(default_factory=set)
    logins: dict[tuple[str, str], str] = field(default_factory=dict)
    server_users: dict[tuple[str, str], str] = field(default_factory=dict)

    def notes(self, sources: Mapping[str, Source]) -> list[str]:
        """Return a line for each user of a source that has no login on one of its mirrors."""
        lines = []
        for source in sources.values():
            for mirror in source.mirrors:
                users = {user for user, database in self.listed if database == source.name}
                lines += [
                    f"{self.file}: users: '{user}' of '{source.name}' has no login on '{mirror.name}', its work is"
                    f' counted as connection errors; add name = "{user}", database = "{mirror.name}" and a password'
                    for user in sorted(users)
                    if (user, mirror.name) not in self.logins and mirror.password is None
                ]
        return lines


def read_users(file: Path, databases: Collection[str], section: type[Section]) -> Users:
    """Read the file.

    Raises:
        ConfigError: it cannot be used.
    """
    content = section(file, "", content_of(file), _TOP)
    users = Users(file)
    for number, entry in enumerate(content.tables("users")):
        one = section(file, f"users[{number}]", entry, _KEYS)
        one.required("name", '"app"')
        name = one.text("name")
        one.whole("pool_size", 1, 1)
        password = one.secret("server_password") if "server_password" in one else one.secret("password")
        for database in _databases(one, databases):
            key = (name, database)
            if key in users.listed:
                one.refuse("name", f"'{name}' of '{database}' is there twice", "remove one of the two")
            users.listed.add(key)
            if "server_password" in one or "password" in one:
                users.logins[key] = password
            if "server_user" in one:
                users.server_users[key] = one.text("server_user")
    return users


def _databases(user: Section, known: Collection[str]) -> list[str]:
    if user.switch("all_databases", default=False):
        return list(known)
    if "databases" in user:
        key, names = "databases", user.texts("databases")
    else:
        user.required("database", '"app"')
        key, names = "database", [user.text("database")]
    for name in names:
        if name not in known:
            user.refuse(key, f"'{name}' is not there", f"name one of {', '.join(known)}")
    return list(dict.fromkeys(names))
