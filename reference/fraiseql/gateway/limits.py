"""How much a document asks for, held against the limits before anything is planned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from reference.fraiseql.gateway.config import Limits
from reference.fraiseql.gateway.problems import PlanProblem

_COUNTS = frozenset({"limit", "first", "take", "last"})
_MOST_ROWS = 100  # a limit above it weighs no more, and one that is not known weighs as much


class Measure(NamedTuple):
    """What a selection asks for: levels of fields, weight, and renamed fields."""

    depth: int = 0
    complexity: int = 0
    aliases: int = 0

    def beside(self, other: Measure) -> Measure:
        """Return the measure of both selections together."""
        return Measure(max(self.depth, other.depth), self.complexity + other.complexity, self.aliases + other.aliases)


def check(
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Refuse an operation that is over a limit.

    Raises:
        PlanProblem: VALIDATION_ERROR with the limit and what was asked for.
    """
    asked = _Meter(fragments, variables).measure(operation.selection_set)
    for what, value, most in (
        ("depth", asked.depth, limits.max_query_depth),
        ("complexity", asked.complexity, limits.max_query_complexity),
        ("number of aliases", asked.aliases, limits.max_query_aliases),
    ):
        if value > most:
            raise PlanProblem("VALIDATION_ERROR", f"The query's {what} is {value}, which exceeds the maximum of {most}")


class _Meter:
    """Measures one document; each fragment once, so that fragments of fragments cost no more than their text."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments, self._variables = fragments, variables
        self._known: dict[str, Measure] = {}

    def measure(self, selections: SelectionSetNode | None) -> Measure:
        if selections is None:
            return Measure()
        return reduce(Measure.beside, map(self._one, selections.selections), Measure())

    def _one(self, node: SelectionNode) -> Measure:
        if isinstance(node, FieldNode):
            inner = self.measure(node.selection_set)
            weight = 1 + inner.complexity * self._rows(node)
            return Measure(1 + inner.depth, weight, inner.aliases + (node.alias is not None))
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in self._known:
                self._known[name] = self.measure(self._fragments[name].selection_set)
            return self._known[name]
        return self.measure(node.selection_set)  # type: ignore[attr-defined]  # an inline fragment is all that is left

    def _rows(self, node: FieldNode) -> int:
        counts = [self._number(argument.value) for argument in node.arguments or () if argument.name.value in _COUNTS]
        return max(1, min(counts[0], _MOST_ROWS)) if counts else 1

    def _number(self, value: ValueNode) -> int:
        if isinstance(value, IntValueNode):
            return int(value.value)
        given = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return given if isinstance(given, int) else _MOST_ROWS
