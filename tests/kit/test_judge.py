"""Values held to a schema: what fits, what does not and where, and what no library can judge."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.kit.judge import Fault, Judge, dotted
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import providers

LINES = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "maxLength": 5},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"count": {"type": "integer"}}}},
    },
    "required": ["to"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("value", [{"to": "anna"}, {"to": "anna", "lines": [{"count": 2}, {"count": 10**30}]}])
def test_what_fits_has_no_fault(value: dict[str, Any]) -> None:
    assert Judge(LINES).faults(value) == []


def test_each_fault_says_where_and_what_in_the_order_of_the_places() -> None:
    faults = Judge(LINES).faults({"to": "somebody", "lines": [{"count": 1}, {"count": "two"}], "cc": "x"})
    assert [dotted(fault.path) for fault in faults] == ["$", "$.lines[1].count", "$.to"]
    assert "'cc' was unexpected" in faults[0].sentence
    assert 'is not of type "integer"' in faults[1].sentence
    assert "longer than 5" in faults[2].sentence


@pytest.mark.parametrize("value", [{"to": "a", "lines": [{"count": float("nan")}]}, 10**400])
def test_what_no_schema_can_judge_does_not_fit(value: object) -> None:
    assert Judge(LINES).faults(value)


def test_a_value_nested_without_end_is_a_fault_and_no_crash() -> None:
    value: Any = "x"
    for _ in range(2_000):
        value = [value]
    assert isinstance(Judge({"type": "string"}).faults(value)[0], Fault)


@pytest.mark.parametrize("provider", providers(PluginManager()), ids=lambda provider: provider.tool_id)
def test_the_arguments_of_every_operation_can_be_judged(provider: Any) -> None:
    for operation in provider.operations:
        assert isinstance(Judge(operation.arguments).faults({}), list), operation.name
