"""A look through a whole file before a row is stored: what it has, what is missing, how its dates are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import Vocabulary
from deskhand.knowledge.exports.dates import DateOrder, date_order
from deskhand.knowledge.exports.proposals import as_options, proposed
from deskhand.knowledge.exports.tickets import text_of, understood

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file is made of.

    Attributes:
        rows: How many rows, bad ones among them.
        ignored: Columns that say nothing to us, in their order.
        proposed: Column to field, for what may be one that has no column.
        order: What a date such as 03/04/2026 means in it; None where no date tells.
    """

    rows: int
    ignored: tuple[str, ...]
    order: DateOrder | None
    proposed: Mapping[str, str] = field(default_factory=dict)


def survey(name: str, rows: Iterable[ExportRow], vocabulary: Vocabulary) -> Survey:
    """Read a file through.

    Args:
        name: The file's, for messages.
        rows: All of its rows.
        vocabulary: What its columns may be called.

    Raises:
        UnreadableFileError: It holds no row, lacks a column without which no row is one, or cannot be read to its end.
    """
    count, names, first_fault = 0, dict[str, None](), ""
    dates = _Dates(vocabulary)
    for row in rows:
        count += 1
        if row.data is None:
            first_fault = first_fault or f"{row.where}: {row.error}"
            continue
        inner = row.data.get("fields")
        columns = {**row.data, **inner} if isinstance(inner, Mapping) else row.data
        names.update(dict.fromkeys(columns))
        dates.look(columns)
    if not names:
        because = f" that can be read ({first_fault})" if first_fault else ""
        raise UnreadableFileError(f"{name} holds no {vocabulary.row}{because}.")
    for group in vocabulary.missing(names):
        called = ", ".join(dict.fromkeys(name for one in group for name in vocabulary.fields[one]))
        perhaps = as_options(proposed(names, vocabulary))
        raise UnreadableFileError(
            f"{name} has no column for {' or '.join(group)} (it may be called {called}). "
            f"It has: {_listed(names)}. Name it so, or say which it is with --column"
            + (f", perhaps: {perhaps}" if perhaps else ".")
        )
    ignored = () if vocabulary.keeps_others else tuple(one for one in names if one not in understood(names, vocabulary))
    try:
        return Survey(count, ignored, dates.order(), proposed(names, vocabulary))
    except ValueError as error:
        raise UnreadableFileError(f"{name} cannot be imported: {error}.") from error


class _Dates:
    """The dates of a file as far as they tell how they are written."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._telling: dict[DateOrder, str] = {}

    def look(self, columns: Mapping[str, Any]) -> None:
        for name, value in columns.items():
            if self._vocabulary.field_of(name) != "resolved_date" or not (text := text_of(value)):
                continue
            if (order := date_order([text])) is not None:
                self._telling.setdefault(order, text)

    def order(self) -> DateOrder | None:
        """The order they agree on.

        Raises:
            ValueError: They do not.
        """
        return date_order(self._telling.values())


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")


__all__ = ["Survey", "survey"]
