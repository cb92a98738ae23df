"""GraphQL over Flight: a document becomes one statement, whose rows are streamed as PostgreSQL makes them."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa

from reference.fraiseql.gateway.config import Limits
from reference.fraiseql.gateway.flight.database import Database
from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows, cast
from reference.fraiseql.gateway.planner import Plan, PlanProblem, RootField, plan
from reference.fraiseql.gateway.schema import Schema
from reference.fraiseql.gateway.statements import Statements


class LiveQueries:
    """Plans documents and runs them.

    Args:
        schema: what is served.
        limits: what a document may ask for.
        database: where the rows are.
        statements: what writes the SQL.
    """

    def __init__(self, schema: Schema, limits: Limits, database: Database, statements: type[Statements]) -> None:
        self._schema, self._limits, self._database, self._statements = schema, limits, database, statements

    def plan(self, query: str, variables: Any) -> Plan:
        """Plan a document that only reads.

        Raises:
            Refused: it cannot be planned, or it writes.
        """
        if variables is not None and not isinstance(variables, dict):
            raise Refused("variables is not an object")
        try:
            found = plan(self._schema, query, variables, None, self._limits, self._statements)
        except PlanProblem as problem:
            raise Refused(f"{problem.code}: {problem.message}") from None
        if found.operation != "query":
            raise Refused("Over Flight only queries are served: send a mutation over HTTP")
        return found

    def root(self, query: str, variables: Any) -> RootField:
        """Plan a document whose rows are those of its one root field.

        Raises:
            Refused: see `plan`, or it has several root fields.
        """
        fields = self.plan(query, variables).fields
        if len(fields) != 1:
            raise Refused(f"Over Flight a query has one root field, this one has {len(fields)}")
        return fields[0]

    def rows(self, root: RootField, patience: Patience) -> Rows:
        """Run what was planned."""
        schema = schema_of(root)
        source = self._database.rows(root.arrow_sql, patience)
        return Rows(schema, (cast(batch, schema) for batch in source), source.close)

    def json(self, query: str, variables: Any, patience: Patience) -> str:
        """Run a document and return the answer that HTTP would give."""
        answers = []
        for root in self.plan(query, variables).fields:
            rows = [
                text for batch in self._database.rows(root.json_sql, patience) for text in batch.column(0).to_pylist()
            ]
            value = f"[{','.join(rows)}]" if root.is_list else next(iter(rows), "null")
            answers.append(f"{orjson.dumps(root.response_name).decode()}:{value}")
        return f'{{"data":{{{",".join(answers)}}}}}'


def schema_of(root: RootField) -> pa.Schema:
    """Return the columns of a root field's rows."""
    return pa.schema([pa.field(column.name, column.arrow) for column in root.columns])
