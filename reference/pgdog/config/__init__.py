"""The configuration: two dialects of TOML, one model."""

from __future__ import annotations

from pathlib import Path

from reference.pgdog.config import plan, upstream
from reference.pgdog.config.section import Section
from reference.pgdog.settings import Settings
from reference.toml_file import ConfigError, content_of


def load(file: Path, users: Path | None = None, section: type[Section] = Section) -> Settings:
    """Read a configuration, of the dialect that its content shows.

    Args:
        file: with [[pools]] (the plan's) or [[databases]] (upstream's).
        users: users.toml; upstream's dialect looks beside the file for one.
        section: how tables are read.

    Raises:
        ConfigError: it cannot be used; one line that names the key.
    """
    content = content_of(file)
    of_upstream = [key for key in ("databases", "mirroring", "admin") if key in content]
    if "pools" in content and of_upstream:
        what = "stands beside [[pools]], which is another dialect"
        raise ConfigError(f"{file}: {of_upstream[0]}: {what}; use either [[pools]] or [[databases]]")
    if "pools" not in content and not of_upstream:
        raise ConfigError(f"{file}: pools: there is none; add [[pools]], or [[databases]] for upstream's dialect")
    settings_of = plan.settings_of if "pools" in content else upstream.settings_of
    return settings_of(file, content, users, section)
