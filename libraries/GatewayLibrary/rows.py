"""Users whose versions are changed by SQL and read over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extensions import connection

from FlightLibrary.graphql_http import HttpConnection
from PostgresLibrary.sessions import rows

QUERY = "query One($id: ID!) { user(id: $id) { id name visits } }"


class NoRightAnswer(Exception):
    """An answer that is not what was asked for, whatever its version."""


class Users:
    """Rows of users that a test has for itself, in a session in autocommit."""

    def __init__(self, session: connection, number: int, mark: str) -> None:
        """Make them; each has version 1.

        Args:
            session: of the owner of the tables.
            number: how many.
            mark: that no other rows have.
        """
        self._session, self._mark = session, f"{mark}@changing.example"
        made = rows(
            session,
            "INSERT INTO tb_user (name, email, visits) SELECT %s, %s, 1 FROM generate_series(1, %s) RETURNING id::text",
            (name_of(1), self._mark, number),
        )
        self.ids: Sequence[str] = [identity for (identity,) in made]

    def change(self, identity: str, version: int) -> None:
        """Commit a version of one of them."""
        values = (name_of(version), version, identity)
        rows(self._session, "UPDATE tb_user SET name = %s, visits = %s WHERE id = %s", values)

    def delete(self) -> None:
        """Take them out of the table again."""
        rows(self._session, "DELETE FROM tb_user WHERE email = %s", (self._mark,))


class OverHttp:
    """A client that reads one user at a time."""

    def __init__(self, http: HttpConnection) -> None:
        self._http = http

    def __call__(self, identity: str) -> int | None:
        """See `Reader`.

        Raises:
            HttpFailure: no answer, or an error.
            NoRightAnswer: another user, other fields, or fields of two versions.
        """
        found = self._http.read(QUERY, {"id": identity}).rows
        if not found:
            return None
        version = found[0].get("visits")
        if found != [{"id": identity, "name": name_of(version), "visits": version}] or type(version) is not int:
            raise NoRightAnswer(f"asked for user {identity}: {found!r:.300}")
        return version

    def close(self) -> None:
        """See `Reader`."""
        self._http.close()


def name_of(version: object) -> str:
    """The name of a user in a version."""
    return f"version {version}"
