"""A table of three known vectors with an index: small enough to know every answer beforehand."""

from __future__ import annotations

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection

from environments.sections.cluster import Vector
from PostgresLibrary.sessions import rows
from VectorLibrary.nearest import METRICS, TIE
from VectorLibrary.search import NAMESPACE, find, plan_of, search, vector_index

_POINTS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.8, 0.6, 0.0]])
_QUERY = np.array([1.0, 0.0, 0.0])
_ORDER = (1, 2, 0)  # by cosine, by length of the difference and by inner product alike


def create_probe(session: connection, name: str, vector: Vector) -> None:
    """Make the table with the type, and its index with the access method and operator class, of the environment."""
    names = {
        "table": sql.Identifier(name),
        "type": sql.Identifier(vector.type),
        "index": sql.Identifier(vector_index(name)),
        "access_method": sql.Identifier(vector.access_method),
        "operator_class": sql.Identifier(vector.operator_class),
    }
    rows(session, sql.SQL("CREATE TABLE {table} (namespace text, key text, embedding {type}(3))").format(**names))
    for number, point in enumerate(_POINTS):
        insert = sql.SQL("INSERT INTO {table} VALUES (%s, %s, %s::{type})").format(**names)
        rows(session, insert, (NAMESPACE, str(number), _text(point)))
    rows(
        session,
        sql.SQL("CREATE INDEX {index} ON {table} USING {access_method} (embedding {operator_class})").format(**names),
    )
    session.commit()


def check_probe(session: connection, name: str, vector: Vector, where: str) -> None:
    """Demand that the probe's index answers a search with the right neighbours in the right order and distance.

    Raises:
        AssertionError: the index is not used, or the answer is wrong.
    """
    rows(session, "SET enable_seqscan = off")  # three rows would be scanned faster than any index
    statement = search(name, vector)
    plan = plan_of(session, statement, _text(_QUERY), len(_POINTS))
    if vector_index(name) not in plan.indexes:
        raise AssertionError(f"{where}: expected a scan of {vector_index(name)}, the plan is {plan.text}")
    answer = find(session, statement, _text(_QUERY), len(_POINTS))
    expected = METRICS[vector.operator](_QUERY[None, :], _POINTS)[0, list(_ORDER)]
    if answer.rows != _ORDER or np.abs(np.asarray(answer.distances) - expected).max() > TIE:
        raise AssertionError(
            f"{where}: expected rows {list(_ORDER)} at distances {expected.round(3).tolist()}, "
            f"were {list(answer.rows)} at {[round(d, 3) for d in answer.distances]}"
        )


def _text(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return f"[{','.join(str(number) for number in point)}]"
