"""Values in SQL text.

Values are written into the text because neither side that runs it can bind them: ADBC streams only what has no
parameters (with them it reads the whole result first), and COPY takes none.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from reference.fraiseql.gateway.problems import PlanProblem


def identifier(name: str) -> str:
    """Quote the name of a column, table or schema, or schema.table."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def string(value: str) -> str:
    """Quote a text so that it means the same whatever the session's settings are.

    Raises:
        PlanProblem: PostgreSQL cannot hold the text.
    """
    if "\0" in value:
        raise PlanProblem("BAD_USER_INPUT", "A text may not hold the character U+0000.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PlanProblem("BAD_USER_INPUT", "A text may not hold half a surrogate pair.") from None
    quoted = value.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def literal(value: object, sql_type: str) -> str:
    """Write a value of a type; null too.

    Raises:
        PlanProblem: the type has no such value.
    """
    if value is None:
        return f"NULL::{sql_type}"
    if sql_type == "uuid":
        value = _uuid(str(value))
    text = repr(value) if isinstance(value, float) else str(value)
    return f"{string(text)}::{sql_type}"


def array(values: Sequence[object], sql_type: str) -> str:
    """Write an array of a type."""
    return f"ARRAY[{', '.join(literal(value, sql_type) for value in values)}]::{sql_type}[]"


def _uuid(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise PlanProblem("BAD_USER_INPUT", f"ID cannot represent {value!r:.60}: it is not a UUID.") from None
