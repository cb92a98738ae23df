"""The GraphQL schema under test, as the vendor's compiler reads it: its own authoring package is not needed."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import camel_to_snake

_SOURCES = {"User": ("v_user", "pk_user"), "Order": ("v_order", "id")}
"""Type -> the view its documents are in, and the unique column that pages of it are cut by."""
_AUTOMATIC = frozenset({"limit", "offset", "where", "orderBy"})
"""Arguments that the vendor's compiler adds to a list by itself."""


def vendor_schema(text: str) -> dict[str, Any]:
    """Return the document that `fraiseql-cli compile` takes.

    Args:
        text: of `schema.graphql`. Functions of mutations are named `fn_` and the mutation, in snake_case.
    """
    schema = build_schema(text)
    query, mutation = schema.query_type, schema.mutation_type
    assert query
    assert mutation
    return {
        "types": [_type(schema, name) for name in _SOURCES],
        "custom_scalars": [{"name": "BigInt"}],
        "queries": [_query(name, field) for name, field in query.fields.items()],
        "mutations": [_mutation(name, field) for name, field in mutation.fields.items()],
    }


def _type(schema: GraphQLSchema, name: str) -> dict[str, Any]:
    one = schema.type_map[name]
    assert isinstance(one, GraphQLObjectType)
    fields = [
        {"name": field, "type": _spelled(content.type), "nullable": not is_non_null_type(content.type)}
        for field, content in one.fields.items()
    ]
    return {"name": name, "sql_source": _SOURCES[name][0], "fields": fields}


def _spelled(field_type: GraphQLOutputType) -> str:
    """Name a type. Its own Int has 64 bits; a scalar it does not know, such as BigInt, it sorts as text."""
    return str(field_type).replace("BigInt", "Int")


def _query(name: str, field: GraphQLField) -> dict[str, Any]:
    source, key = _SOURCES[get_named_type(field.type).name]
    own = {argument: content for argument, content in field.args.items() if argument not in _AUTOMATIC}
    query = {
        "name": name,
        **_returned(field),
        "sql_source": source,
        "arguments": [_argument(argument, content) for argument, content in own.items()],
    }
    if query["returns_list"]:
        query |= {
            "auto_params": {"limit": True, "offset": True, "where": True, "order_by": True},
            "pagination_order": key,
        }
    return query


def _mutation(name: str, field: GraphQLField) -> dict[str, Any]:
    return {
        "name": name,
        **_returned(field),
        "sql_source": f"fn_{camel_to_snake(name)}",
        "operation": "CREATE",
        "arguments": [_argument(argument, content) for argument, content in field.args.items()],
    }


def _returned(field: GraphQLField) -> dict[str, Any]:
    outer = field.type.of_type if is_non_null_type(field.type) else field.type
    return {
        "return_type": get_named_type(field.type).name,
        "returns_list": is_list_type(outer),
        "nullable": not is_non_null_type(field.type),
    }


def _argument(name: str, argument: GraphQLArgument) -> dict[str, Any]:
    return {
        "name": name,
        "type": get_named_type(argument.type).name,
        "nullable": not is_non_null_type(argument.type),
    }
