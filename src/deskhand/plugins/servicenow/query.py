"""Encoded queries that check their own answers; pure.

ServiceNow silently ignores a term it does not understand, and then answers with everything. So a query is kept as
terms: they are encoded for the wire, and every row that comes back must satisfy them.

A caret separates terms and cannot be escaped on every release, and a value that begins with ``javascript:`` is run by
the instance. Neither is ever sent: words are split at carets, other values are refused.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deskhand.plugins.errors import DeskProtocolError, DeskValidationError
from deskhand.plugins.servicenow.manifest import DESK

Row = Mapping[str, Any]
_SCRIPT = "javascript:"
_COMPARED: Mapping[str, Callable[[str, str], bool]] = {">=": operator.ge, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, e.g. ``Term("state", "IN", "6,7")``; operators are those in ``holds``."""

    field: str
    operator: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"

    def holds(self, row: Row) -> bool:
        """True if a row satisfies it; text is compared as the instance's database does, without case and accents."""
        # As the instance's database compares: a stricter check here would refuse rows that were rightly found.
        current, wanted = _plain(value_of(row, self.field)), _plain(self.value)
        match self.operator:
            case "=":
                return current == wanted
            case "LIKE":
                return wanted in current
            case "IN":
                return current in wanted.split(",")
            case ">=" | ">" | "<":
                return _COMPARED[self.operator](current, wanted)
            case _:
                return self.operator == "ISNOTEMPTY" and current != ""


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold (of each inner group: at least one), and the order.

    Attributes:
        conditions: Groups of alternatives.
        order: Fields; a leading ``-`` is descending.
        verbatim: Sent as it is instead; never text from outside, and nothing is checked.
    """

    conditions: tuple[tuple[Term, ...], ...] = ()
    order: tuple[str, ...] = ()
    verbatim: str = ""

    def encode(self) -> str:
        """As ``sysparm_query`` wants it."""
        if self.verbatim:
            return self.verbatim
        groups = ["^OR".join(str(term) for term in group) for group in self.conditions]
        sort = [f"ORDERBYDESC{name[1:]}" if name.startswith("-") else f"ORDERBY{name}" for name in self.order]
        return "^".join([*groups, *sort])

    def fields(self) -> tuple[str, ...]:
        """Fields the conditions look at."""
        return tuple(dict.fromkeys(term.field for group in self.conditions for term in group))

    def check(self, row: Row) -> None:
        """Make sure that the instance applied the conditions.

        Raises:
            DeskProtocolError: The row does not satisfy them.
        """
        for group in self.conditions:
            if not any(term.holds(row) for term in group):
                broken = " or ".join(str(term) for term in group)
                raise DeskProtocolError(
                    f"{DESK} ignored the filter {broken}: it does not know the field, or the account's time zone is not"
                    " GMT.",
                    fields=tuple(term.field for term in group),
                )


def where(*terms: Term, order: Sequence[str] = ()) -> Query:
    """A query of terms that must all hold."""
    return Query(tuple((term,) for term in terms), tuple(order))


def literal(text: str, field: str) -> str:
    """A value that may stand in a term.

    Raises:
        DeskValidationError: It would end the term or be run as a script.
    """
    if "^" in text or "\n" in text or text.strip().casefold().startswith(_SCRIPT):
        raise DeskValidationError(f"{DESK} cannot be asked for {text!r}.", fields=(field,))
    return text


def words(text: str) -> tuple[str, ...]:
    """Search words that are safe in a term: split at blanks and carets, nothing that would be run."""
    safe_words = []
    for part in text.replace("^", " ").split():
        word = part
        # Again and again: "javascript:javascript:" would leave one behind.
        while word.casefold().startswith(_SCRIPT):
            word = word[len(_SCRIPT) :]
        safe_words.append(word)
    return tuple(dict.fromkeys(word for word in safe_words if word))


def time_literal(moment: datetime) -> str:
    """A time as the instance reads it for a user in GMT."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def value_of(row: Row, name: str) -> str:
    """The stored value of a field, whatever ``sysparm_display_value`` was."""
    cell = row.get(name)
    if isinstance(cell, Mapping):
        cell = cell.get("value", cell.get("display_value"))
    return "" if cell is None else str(cell)


def display_of(row: Row, name: str) -> str:
    """What a person reads in a field."""
    cell = row.get(name)
    if isinstance(cell, Mapping):
        cell = cell.get("display_value", cell.get("value"))
    return "" if cell is None else str(cell)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
