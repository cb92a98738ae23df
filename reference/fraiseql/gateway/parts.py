"""The classes a gateway is made of, but for its Flight side; a defect puts another one in the place of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from reference.fraiseql.gateway.metrics import Metrics
from reference.fraiseql.gateway.statements import Statements
from reference.fraiseql.gateway.web.answers import Rows
from reference.fraiseql.gateway.web.cache import AnswerCache
from reference.fraiseql.gateway.web.graphql import GraphQL
from reference.fraiseql.gateway.web.pages import Pages
from reference.fraiseql.gateway.web.requests import Reader


@dataclass(frozen=True)
class Parts:
    """One class for each part; `statements` writes for Flight, `web_statements` for HTTP."""

    statements: type[Statements] = Statements
    web_statements: type[Statements] = Statements
    metrics: type[Metrics] = Metrics
    rows: type[Rows] = Rows
    cache: type[AnswerCache] = AnswerCache
    graphql: type[GraphQL] = GraphQL
    pages: type[Pages] = Pages
    reader: type[Reader] = Reader
