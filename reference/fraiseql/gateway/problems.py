"""What is wrong with a request, by the code that clients see."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from graphql import GraphQLError


class Location(NamedTuple):
    """A place in a document; both count from 1."""

    line: int
    column: int


class PlanProblem(Exception):
    """Why a document cannot be planned: always the client's mistake.

    Args:
        code: PARSE_ERROR, VALIDATION_ERROR, BAD_USER_INPUT, REQUEST_ERROR or INTROSPECTION_DISABLED.
        message: what is wrong.
        locations: where in the document.
    """

    def __init__(self, code: str, message: str, locations: tuple[Location, ...] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.locations = code, message, locations


def refuse(code: str, error: GraphQLError) -> NoReturn:
    """Raise what GraphQL found as a problem of this code."""
    found = tuple(Location(place.line, place.column) for place in error.locations or ())
    raise PlanProblem(code, error.message, found) from None
