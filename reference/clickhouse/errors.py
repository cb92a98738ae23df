"""What goes wrong with a query, by the engine's own codes, and the HTTP status each has."""

from __future__ import annotations

import re
from http import HTTPStatus

_MESSAGE = re.compile(r"Code: (\d+)\. .*\(([A-Z][A-Z0-9_]+)\)(?: \(version [^()]*\))?\s*\Z", re.DOTALL)
_UNKNOWN = (1002, "UNKNOWN_EXCEPTION")

_BAD_REQUEST = """
    BAD_ARGUMENTS BAD_REQUEST_PARAMETER CANNOT_COMPILE_REGEXP DUPLICATE_COLUMN ILLEGAL_COLUMN ILLEGAL_TYPE_OF_ARGUMENT
    INCORRECT_DATA SYNTAX_ERROR THERE_IS_NO_COLUMN TOO_BIG_AST TOO_DEEP_AST TYPE_MISMATCH UNEXPECTED_AST_STRUCTURE
    UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
"""
_NOT_FOUND = """
    UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_DATABASE UNKNOWN_DATABASE_ENGINE UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_FORMAT
    UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_ROLE UNKNOWN_SETTING UNKNOWN_STORAGE UNKNOWN_TABLE UNKNOWN_TYPE
    UNKNOWN_TYPE_OF_QUERY
"""
_STATUS = {
    **dict.fromkeys(_BAD_REQUEST.split(), HTTPStatus.BAD_REQUEST),
    **dict.fromkeys(_NOT_FOUND.split(), HTTPStatus.NOT_FOUND),
    "AUTHENTICATION_FAILED": HTTPStatus.FORBIDDEN,
    "REQUIRED_PASSWORD": HTTPStatus.UNAUTHORIZED,
    "QUERY_IS_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "NOT_IMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    "TIMEOUT_EXCEEDED": HTTPStatus.REQUEST_TIMEOUT,
    "CANNOT_SCHEDULE_TASK": HTTPStatus.SERVICE_UNAVAILABLE,
    "CANNOT_OPEN_FILE": HTTPStatus.SERVICE_UNAVAILABLE,
    "SOCKET_TIMEOUT": HTTPStatus.SERVICE_UNAVAILABLE,
}


class QueryError(Exception):
    """A query that failed.

    Args:
        code: ClickHouse's number of the error.
        name: ClickHouse's name of it, such as `UNKNOWN_TABLE`.
        message: all of it, as a client is told.
    """

    def __init__(self, code: int, name: str, message: str) -> None:
        self.code, self.name, self.message = code, name, message
        super().__init__(message)

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of the answer."""
        if self.name.startswith("CANNOT_PARSE_"):
            return HTTPStatus.BAD_REQUEST
        return _STATUS.get(self.name, HTTPStatus.INTERNAL_SERVER_ERROR)

    @classmethod
    def of_engine(cls, error: Exception) -> QueryError:
        """Read the engine's own words."""
        found = _MESSAGE.search(str(error))
        code, name = (int(found[1]), found[2]) if found else _UNKNOWN
        return cls(code, name, str(error))

    @classmethod
    def of_front(cls, code: int, name: str, what: str) -> QueryError:
        """Say it in the words that the engine would use."""
        return cls(code, name, f"Code: {code}. DB::Exception: {what}. ({name})")
