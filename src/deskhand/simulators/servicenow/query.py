"""Encoded queries of the simulated instance: what it understands it applies, the rest it ignores, like the real one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deskhand.simulators.servicenow.wire import Cell, Row

_OPERATORS = (
    *("DOES NOT CONTAIN", "NOT LIKE", "NOTLIKE", "NOT IN", "ISNOTEMPTY", "ISEMPTY", "STARTSWITH", "ENDSWITH"),
    *("CONTAINS", "BETWEEN", "LIKE", "IN", "!=", ">=", "<=", "=", ">", "<"),
)
_TERM = re.compile(rf"([a-z_][a-z0-9_.]*)({'|'.join(_OPERATORS)})(.*)", re.DOTALL)


@dataclass(slots=True)
class Condition:
    """One term; ``None`` as field stands for a term nobody understands."""

    field: str | None
    operator: str = "="
    value: str = ""


@dataclass(slots=True)
class Parsed:
    """An encoded query: alternatives (``^NQ``) of conditions (``^``) of alternatives (``^OR``)."""

    groups: list[list[list[Condition]]] = field(default_factory=lambda: [[]])
    order: list[tuple[str, bool]] = field(default_factory=list)


Walk = Callable[[Row, str], Cell | None]
Evaluate = Callable[[str, str], str]


def parse(text: str) -> Parsed:
    """Read an encoded query; a caret always separates, there is no way to escape it."""
    parsed = Parsed()
    for part in text.split("^"):
        if part.startswith("ORDERBYDESC"):
            parsed.order.append((part.removeprefix("ORDERBYDESC"), True))
        elif part.startswith("ORDERBY"):
            parsed.order.append((part.removeprefix("ORDERBY"), False))
        elif part.startswith("NQ"):
            parsed.groups.append([[_condition(part.removeprefix("NQ"))]])
        elif part.startswith("OR") and parsed.groups[-1]:
            parsed.groups[-1][-1].append(_condition(part.removeprefix("OR")))
        elif part and part != "EQ":
            parsed.groups[-1].append([_condition(part)])
    return parsed


def _condition(text: str) -> Condition:
    term = _TERM.fullmatch(text)
    return Condition(*term.groups()) if term else Condition(None)


def apply(rows: list[Row], text: str, *, walk: Walk, evaluate: Evaluate) -> list[Row]:
    """Rows that satisfy a query, in its order.

    Args:
        rows: All rows of the table.
        text: ``sysparm_query``.
        walk: Finds a field, through references where the name has dots; None if there is no such field.
        evaluate: What a value means for the calling user (scripts, times in their zone).
    """
    parsed = parse(text)
    matching = [row for row in rows if any(_group(row, group, walk, evaluate) for group in parsed.groups)]
    # The last key first: Python's sort is stable, so that the first one rules.
    for name, descending in reversed(parsed.order):
        matching.sort(key=lambda row: _sortable(_text(walk(row, name))), reverse=descending)
    return matching


def _group(row: Row, group: list[list[Condition]], walk: Walk, evaluate: Evaluate) -> bool:
    for alternatives in group:
        results = [_holds(row, condition, walk, evaluate) for condition in alternatives]
        known = [result for result in results if result is not None]
        if known and not any(known):
            return False
    return True


def _holds(row: Row, condition: Condition, walk: Walk, evaluate: Evaluate) -> bool | None:
    """None: the term is not understood, and so ignored."""
    cell = walk(row, condition.field) if condition.field else None
    # The vendor ignores a term that names no field, and answers with more rows than were meant.
    if cell is None:
        return None
    current = cell.value.casefold()
    value = evaluate(condition.field or "", condition.value).casefold()
    return _compare(current, condition.operator, value)


def _compare(current: str, operator: str, value: str) -> bool:
    if operator in {"=", "!="}:
        return (current == value) is (operator == "=")
    if operator in {">", ">=", "<", "<="}:
        left, right = _sortable(current), _sortable(value)
        outcomes = {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}
        return current != "" and outcomes[operator]
    if operator == "BETWEEN":
        low, _, high = value.partition("@")
        return _sortable(low) <= _sortable(current) <= _sortable(high)
    listed: Mapping[str, bool] = {
        "LIKE": value in current,
        "CONTAINS": value in current,
        "NOT LIKE": value not in current,
        "NOTLIKE": value not in current,
        "DOES NOT CONTAIN": value not in current,
        "IN": current in value.split(","),
        "NOT IN": current not in value.split(","),
        "ISEMPTY": current == "",
        "ISNOTEMPTY": current != "",
        "STARTSWITH": current.startswith(value),
        "ENDSWITH": current.endswith(value),
    }
    return listed[operator]


def _text(cell: Cell | None) -> str:
    return cell.value.casefold() if cell else ""


def _sortable(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() and len(text) < 16 else (1, 0, text) if text else (-1, 0, "")
