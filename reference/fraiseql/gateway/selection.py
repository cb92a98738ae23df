"""What a document asks for, with fragments, variables and directives resolved: fields of rows of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_argument_values

from reference.fraiseql.gateway.problems import PlanProblem, refuse
from reference.fraiseql.gateway.schema import Field, Schema, Table

TYPE_NAME = "__typename"
_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Selected:
    """One field of an answer's rows; `field` is None for __typename, `inner` is set where the field leads to rows."""

    name: str
    field: Field | None
    arguments: Mapping[str, Any]
    inner: Selection | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields that are taken of a table's rows, in the order of the document."""

    table: Table
    fields: tuple[Selected, ...]

    @property
    def tables(self) -> frozenset[str]:
        """The tables whose rows these are, and those of the rows inside them."""
        return frozenset({self.table.table}).union(*(one.inner.tables for one in self.fields if one.inner))


@dataclass(frozen=True, slots=True)
class Root:
    """One root field of an operation.

    Args:
        name: the field.
        response_name: its name in the answer.
        is_list: whether it answers with a list of rows or with one row, or none.
        inserts: whether its arguments become a row of the table first.
        arguments: their values.
        selection: what is taken of its rows; None for __typename, whose answer is `constant`.
    """

    name: str
    response_name: str
    is_list: bool
    inserts: bool
    arguments: Mapping[str, Any]
    selection: Selection | None
    constant: str = ""


class Resolver:
    """Resolves one operation of a valid document.

    Raises:
        PlanProblem: the operation asks for the schema itself, or the value of a directive does not fit.
    """

    def __init__(
        self,
        schema: Schema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        variables: VariableValues,
    ) -> None:
        self._schema, self._operation, self._variables = schema, operation, variables
        self._fragments = {name: FragmentDetails(node) for name, node in fragments.items()}
        root_type = self._graphql.get_root_type(operation.operation)
        assert root_type, "a valid document has no operation that the schema lacks"
        self._type = root_type
        try:
            found = collect_fields(self._graphql, self._fragments, variables, root_type, operation)
        except GraphQLError as error:
            refuse("BAD_USER_INPUT", error)
        self._found = found.grouped_field_set
        if not _INTROSPECTION.isdisjoint(details[0].node.name.value for details in self._found.values()):
            raise PlanProblem("INTROSPECTION_DISABLED", "Introspection is disabled")

    def roots(self, page_size: int | None) -> list[Root]:
        """Return the root fields in the order of the document.

        Raises:
            PlanProblem: the value of an argument does not fit, or asks for more rows than a page may have.
        """
        self._page_size = page_size
        try:
            return [self._root(name, details) for name, details in self._found.items()]
        except GraphQLError as error:
            refuse("BAD_USER_INPUT", error)

    @property
    def _graphql(self) -> GraphQLSchema:
        return self._schema.graphql

    def _root(self, response_name: str, details: list[FieldDetails]) -> Root:
        name = details[0].node.name.value
        if name == TYPE_NAME:
            return Root(name, response_name, False, False, {}, None, self._type.name)
        definition = self._type.fields[name]
        inserts = self._type is self._graphql.mutation_type
        selection = self._selection(definition, details)
        is_list = is_list_type(get_nullable_type(definition.type))
        return Root(name, response_name, is_list, inserts, self._arguments(definition, details), selection)

    def _selection(self, definition: GraphQLField, details: list[FieldDetails]) -> Selection:
        kind = get_named_type(definition.type)
        assert isinstance(kind, GraphQLObjectType)
        found: GroupedFieldSet = collect_subfields(
            self._graphql, self._fragments, self._variables, self._operation, kind, details
        ).grouped_field_set
        table = self._schema.tables[kind.name]
        return Selection(table, tuple(self._selected(kind, table, name, inner) for name, inner in found.items()))

    def _selected(self, kind: GraphQLObjectType, table: Table, name: str, details: list[FieldDetails]) -> Selected:
        field_name = details[0].node.name.value
        if field_name == TYPE_NAME:
            return Selected(name, None, {})
        definition, known = kind.fields[field_name], table.fields[field_name]
        inner = self._selection(definition, details) if known.link else None
        return Selected(name, known, self._arguments(definition, details), inner)

    def _arguments(self, definition: GraphQLField, details: list[FieldDetails]) -> dict[str, Any]:
        arguments = get_argument_values(definition, details[0].node, self._variables)
        for name in ("limit", "offset"):
            if (arguments.get(name) or 0) < 0:
                raise PlanProblem("BAD_USER_INPUT", f"{name} is {arguments[name]}; it cannot be negative")
        if self._page_size is not None and (arguments.get("limit") or 0) > self._page_size:
            raise PlanProblem(
                "VALIDATION_ERROR", f"limit {arguments['limit']} exceeds the maximum page size of {self._page_size}"
            )
        return arguments
