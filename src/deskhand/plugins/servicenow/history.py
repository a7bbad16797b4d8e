"""Resolved tickets, page by page, keyed on (time, sys_id): rows that change meanwhile neither repeat nor go missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.mapping import cursor_parts
from deskhand.plugins.servicenow.query import Query, Term, time_literal, value_of

_CURSOR = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\|([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was read; without an id, nothing was read yet."""

    at: str
    sys_id: str = ""

    def cursor(self) -> str:
        return f"{self.at}|{self.sys_id}"


def start(since: datetime, cursor: str | None) -> Position:
    """Where to read on.

    Raises:
        DeskValidationError: The cursor is not one of ours.
    """
    return Position(time_literal(since)) if cursor is None else Position(*cursor_parts(cursor, _CURSOR))


def after(row: Mapping[str, Any], config: ServiceNowConfig) -> Position:
    """The position behind a row."""
    return Position(value_of(row, config.servicenow_history_field), value_of(row, "sys_id"))


def query(position: Position, config: ServiceNowConfig) -> Query:
    """What comes after a position, oldest first."""
    field = config.servicenow_history_field
    conditions: list[tuple[Term, ...]] = [
        (Term(field, ">=", position.at),),
        (Term("state", "IN", ",".join(config.servicenow_history_states)),),
    ]
    # Later, or of the same second with a greater id: several tickets may be resolved within one second.
    if position.sys_id:
        conditions.insert(1, (Term(field, ">", position.at), Term("sys_id", ">", position.sys_id)))
    return Query(tuple(conditions), (field, "sys_id"))
