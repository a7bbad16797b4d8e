"""``list_info`` of the simulated desk: search criteria, sorting, paging."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_ROWS = 100
_CONDITIONS = {
    "is": "eq",
    "is not": "neq",
    "equal": "eq",
    "not equal": "neq",
    "greater than": "gt",
    "greater or equal": "gte",
    "lesser than": "lt",
    "lesser or equal": "lte",
    "not contains": "not_contains",
    "starts with": "starts_with",
    "ends with": "ends_with",
}


class BadQueryError(Exception):
    """The query cannot be answered.

    Args:
        code: Vendor error code.
        field: Name at fault.
    """

    def __init__(self, code: int, field: str) -> None:
        super().__init__(field)
        self.code = code
        self.field = field


def read_list_info(raw: str | None) -> dict[str, Any]:
    """``list_info`` from the query parameter ``input_data``."""
    if not raw:
        return {}
    try:
        info = json.loads(raw).get("list_info") or {}
    except (ValueError, AttributeError):
        raise BadQueryError(4021, "input_data") from None
    if not isinstance(info, dict):
        raise BadQueryError(4021, "list_info")
    return info


def apply(rows: list[dict[str, Any]], info: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One page of rows and the ``list_info`` of the answer."""
    size = _number(info, "row_count", 10)
    # Refused and not cut: a client that asked for more would take the cut page for the last one.
    if size > MAX_ROWS:
        raise BadQueryError(4001, "row_count")
    matching = [row for row in rows if _matches(row, info)]
    if info.get("sort_field"):
        descending = str(info.get("sort_order", "asc")).casefold() == "desc"
        matching.sort(key=lambda row: _sortable(_value(row, str(info["sort_field"]))), reverse=descending)
    start = _number(info, "start_index", (_number(info, "page", 1) - 1) * size + 1)
    page = matching[start - 1 : start - 1 + size]
    answer: dict[str, Any] = {
        "has_more_rows": start - 1 + size < len(matching),
        "start_index": start,
        "row_count": len(page),
        "page": (start - 1) // size + 1,
    }
    if info.get("get_total_count"):
        answer["total_count"] = len(matching)
    return page, answer


def _number(info: Mapping[str, Any], name: str, default: int) -> int:
    try:
        value = int(info.get(name, default))
    except (TypeError, ValueError):
        raise BadQueryError(4021, name) from None
    if value < 1:
        raise BadQueryError(4001, name)
    return value


def _matches(row: Mapping[str, Any], info: Mapping[str, Any]) -> bool:
    fields = info.get("search_fields")
    if isinstance(fields, str):  # some clients send the object as a JSON string
        fields = json.loads(fields)
    if fields and not all(_contains(_value(row, name), wanted) for name, wanted in fields.items()):
        return False
    criteria = info.get("search_criteria") or []
    return _all_criteria(row, [criteria] if isinstance(criteria, dict) else criteria)


def _all_criteria(row: Mapping[str, Any], criteria: list[dict[str, Any]]) -> bool:
    """Left to right; each criterion joins the result so far by its own ``logical_operator``."""
    result = True
    for position, criterion in enumerate(criteria):
        holds = _criterion(row, criterion)
        for child in criterion.get("children") or ():
            # Children bind more tightly: they are what the vendor has for brackets.
            holds = _join(holds, _criterion(row, child), child)
        result = _join(result, holds, criterion) if position else holds
    return result


def _join(left: bool, right: bool, criterion: Mapping[str, Any]) -> bool:
    either = str(criterion.get("logical_operator", "AND")).upper() == "OR"
    return (left or right) if either else (left and right)


def _criterion(row: Mapping[str, Any], criterion: Mapping[str, Any]) -> bool:
    field = criterion.get("field")
    if not field:
        raise BadQueryError(4001, "search_criteria.field")
    phrase = str(criterion.get("condition", "is")).casefold()
    condition = _CONDITIONS.get(phrase, phrase)
    current = _value(row, str(field))
    operands = criterion.get("values") if "values" in criterion else [criterion.get("value")]
    values = operands if isinstance(operands, list) else [operands]
    if condition == "between":
        return _compare(current, values[0], "gte") and _compare(current, values[-1], "lte")
    if condition in {"neq", "not_contains"}:
        return all(_compare(current, value, condition) for value in values)
    return any(_compare(current, value, condition) for value in values)


def _compare(current: object, operand: object, condition: str) -> bool:
    if condition in {"gt", "gte", "lt", "lte"}:
        return _ordered(current, operand, condition)
    left, right = _plain(current), _plain(operand)
    outcomes = {
        "eq": left == right,
        "neq": left != right,
        "contains": right in left,
        "not_contains": right not in left,
        "starts_with": left.startswith(right),
        "ends_with": left.endswith(right),
    }
    if condition not in outcomes:
        raise BadQueryError(4001, "search_criteria.condition")
    return outcomes[condition]


def _ordered(current: object, operand: object, condition: str) -> bool:
    if current is None:
        return False
    left, right = _sortable(current), _sortable(operand)
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[condition]


def _contains(current: object, operand: object) -> bool:
    return _plain(operand) in _plain(current)


def _value(row: Mapping[str, Any], path: str) -> object:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        return value.get("value", value.get("name", value.get("id")))
    return value


def _plain(value: object) -> str:
    return "" if value is None else str(value).casefold()


def _sortable(value: object) -> tuple[int, int, str]:
    text = _plain(value)
    return (0, 0, "") if not text else (1, int(text), "") if text.isdigit() else (2, 0, text)
