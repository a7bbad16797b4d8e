"""JQL of the simulated site: enough of the language for our own searches and those of other people's clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op>!=|!~|>=|<=|[=<>~(),])|(?P<word>[^\s"'=<>~!(),]+))"""
)
_RELATIVE = re.compile(r"([+-]?\d+)([mhdw])")
_RESERVED = re.compile(r"(?<!\\)[+\-&|!(){}\[\]^~*?:/]")
_FORMATS = ("%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m-%d")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATES = {"created", "updated", "resolved", "resolutiondate", "statuscategorychangeddate"}
_TEXTS = {"text", "summary", "description", "comment"}
_NAMES = {
    *("project", "key", "issuekey", "issue", "id", "status", "statuscategory", "priority", "resolution", "assignee"),
    *("reporter", "labels", "component", "issuetype", "cf[10200]"),
}
_BY_NUMBER = {"key", "issuekey", "issue", "id"}
_KNOWN = {"project", "status", "priority"}


class BadJqlError(Exception):
    """The query is refused; carries the vendor's sentence."""


@dataclass(slots=True)
class Query:
    """A parsed query."""

    matches: Test
    order: list[tuple[str, bool]] = field(default_factory=list)
    bounded: bool = True


class Parser:
    """Recursive descent over one query.

    Args:
        text: The query.
        now: Current time, for relative dates.
        zone: Time zone of the account that asks.
        values: Known values by field, in lower case, for the fields that are checked.
        me: What ``currentUser()`` stands for.
    """

    def __init__(self, text: str, *, now: datetime, zone: ZoneInfo, values: Mapping[str, set[str]], me: str) -> None:
        self._tokens = self._scan(text)
        self._at = 0
        self._now = now
        self._zone = zone
        self._values = values
        self._me = me

    def parse(self) -> Query:
        """The whole query.

        Raises:
            BadJqlError: It cannot be read, or names what does not exist.
        """
        bounded = not (self._done() or self._peek_word("order"))
        test = self._any() if bounded else lambda _row: True
        order = self._order() if self._peek_word("order") else []
        if not self._done():
            raise BadJqlError(f"Error in the JQL Query: Expecting either 'OR' or 'AND' but got '{self._peek()}'.")
        return Query(test, order, bounded)

    @staticmethod
    def _scan(text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise BadJqlError(f"Error in the JQL Query: The character at position {position + 1} is reserved.")
            tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()
        return tokens

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take_word("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take_word("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._take_word("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._take_op("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._clause()

    def _clause(self) -> Test:
        name = self._value().casefold()
        if name not in _DATES | _TEXTS | _NAMES:
            raise BadJqlError(f"Field '{name}' does not exist or you do not have permission to view it.")
        if self._take_word("is"):
            return self._emptiness(name)
        negated = self._take_word("not")
        if self._take_word("in"):
            words = self._list(name)
            return lambda row: _is_one_of(row, name, words) is not negated
        operator = self._next("op")
        return self._compare(name, operator, self._value())

    def _emptiness(self, name: str) -> Test:
        negated = self._take_word("not")
        if not (self._take_word("empty") or self._take_word("null")):
            raise BadJqlError("Error in the JQL Query: Expecting 'EMPTY' or 'NULL'.")
        return lambda row: (not row.get(name)) is not negated

    def _compare(self, name: str, operator: str, value: str) -> Test:
        if name in _DATES:
            return self._compare_date(name, operator, self._moment(value))
        if operator in {"~", "!~"}:
            words = _text_words(value)
            return lambda row: _contains(str(row.get(name) or ""), words) is (operator == "~")
        if operator not in {"=", "!="} or name in _TEXTS:
            raise BadJqlError(f"The operator '{operator}' is not supported by the '{name}' field.")
        label = [self._checked(name, value)]
        return lambda row: _is_one_of(row, name, label) is (operator == "=")

    def _compare_date(self, name: str, operator: str, limit: datetime) -> Test:
        signs: dict[str, Callable[[datetime], bool]] = {
            ">=": lambda moment: moment >= limit,
            ">": lambda moment: moment > limit,
            "<=": lambda moment: moment <= limit,
            "<": lambda moment: moment < limit,
            "=": lambda moment: moment == limit,
        }
        if operator not in signs:
            raise BadJqlError(f"The operator '{operator}' is not supported by the '{name}' field.")
        return lambda row: row.get(name) is not None and signs[operator](row[name])

    def _moment(self, value: str) -> datetime:
        """A date: the account's own zone, whole minutes, or relative to now."""
        if value.casefold() == "now()":
            return self._now
        if relative := _RELATIVE.fullmatch(value):
            return self._now + timedelta(**{_UNITS[relative.group(2)]: int(relative.group(1))})
        for form in _FORMATS:
            try:
                # Dates of JQL mean the zone of the account that asks; a client that wrote UTC would be hours off.
                return datetime.strptime(value, form).replace(tzinfo=self._zone)
            except ValueError:
                continue
        raise BadJqlError(
            f"Date value '{value}' for field is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm',"
            " 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )

    def _list(self, name: str) -> list[str]:
        self._expect("(")
        words = [self._checked(name, self._value())]
        while self._take_op(","):
            words.append(self._checked(name, self._value()))
        self._expect(")")
        return words

    def _checked(self, name: str, value: str) -> str:
        if value.casefold() == "currentuser()":
            return self._me
        if name in _KNOWN and value.casefold() not in self._values.get(name, set()):
            raise BadJqlError(f"The value '{value}' does not exist for the field '{name}'.")
        return value.casefold()

    def _order(self) -> list[tuple[str, bool]]:
        self._at += 1
        if not self._take_word("by"):
            raise BadJqlError("Error in the JQL Query: Expecting 'by' after 'order'.")
        order = [self._direction()]
        while self._take_op(","):
            order.append(self._direction())
        if len(order) > 7:
            raise BadJqlError("The JQL query has too many ORDER BY fields; at most 7 are allowed.")
        return order

    def _direction(self) -> tuple[str, bool]:
        name = self._next("word").casefold()
        if self._take_word("desc"):
            return name, True
        self._take_word("asc")
        return name, False

    # -- tokens ----------------------------------------------------------------------------------

    def _done(self) -> bool:
        return self._at >= len(self._tokens)

    def _peek(self) -> str:
        return "" if self._done() else self._tokens[self._at][1]

    def _peek_word(self, word: str) -> bool:
        return not self._done() and self._tokens[self._at][0] == "word" and self._peek().casefold() == word

    def _take_word(self, word: str) -> bool:
        is_next = self._peek_word(word)
        self._at += is_next
        return is_next

    def _take_op(self, sign: str) -> bool:
        is_next = not self._done() and self._tokens[self._at] == ("op", sign)
        self._at += is_next
        return is_next

    def _expect(self, sign: str) -> None:
        if not self._take_op(sign):
            raise BadJqlError(f"Error in the JQL Query: Expecting '{sign}' but got '{self._peek()}'.")

    def _next(self, kind: str) -> str:
        if self._done() or self._tokens[self._at][0] != kind:
            raise BadJqlError(f"Error in the JQL Query: '{self._peek()}' is not expected here.")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _value(self) -> str:
        if not self._done() and self._tokens[self._at][0] == "string":
            self._at += 1
            return re.sub(r"\\(.)", r"\1", self._tokens[self._at - 1][1][1:-1])
        word = self._next("word")
        if self._take_op("("):  # a function such as currentUser()
            self._expect(")")
            word += "()"
        return word


def sort(rows: Sequence[Row], order: Sequence[tuple[str, bool]]) -> list[Row]:
    """Rows in the order asked for; a later name breaks ties of the one before."""
    out = list(rows)
    # The last criterion first: Python's sort is stable, so that the first one rules.
    for name, descending in reversed(order):
        out.sort(key=partial(_sort_key, name), reverse=descending)
    return out


def _sort_key(name: str, row: Row) -> tuple[bool, str, int]:
    value = row.get(name)
    word = "" if name in _BY_NUMBER else str(min(value) if isinstance(value, (set, list)) and value else value)
    return value is not None, word, row["number"]


def _is_one_of(row: Row, name: str, words: Sequence[str]) -> bool:
    cell = row.get(name)
    values = cell if isinstance(cell, (list, set, tuple)) else [cell]
    return any(str(value).casefold() in words for value in values if value is not None)


def _text_words(value: str) -> list[str]:
    """Words of a text search; operators of the index that stand unescaped are refused."""
    if _RESERVED.search(re.sub(r"(?<=\w)[*\-](?=\w|\s|$)", "", value)):
        raise BadJqlError(f"Unable to parse the text '{value}' for field 'text'.")
    return [_stem(word) for word in re.findall(r"[\w.'@-]+\*?", value)]


def _contains(text: str, words: Sequence[str]) -> bool:
    known = {_stem(word) for word in re.findall(r"[\w.'@-]+", text)}
    return all(
        any(have.startswith(word[:-1]) for have in known) if word.endswith("*") else word in known for word in words
    )


def _stem(word: str) -> str:
    plain = word.casefold().strip(".'-")
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain
