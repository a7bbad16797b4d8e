"""What an instance calls things: choices, fields, users and groups, remembered for a while per account.

A worker makes a new plugin object for each run, so what hardly ever changes is kept for the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deskhand.kit.clock import Clock, utc_now
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskValidationError
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.manifest import DESK
from deskhand.plugins.servicenow.query import Query, Term, literal, value_of, where

_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a choice field and what people read."""

    value: str
    label: str


class TimedCache:
    """Values that stay good for ten minutes, fetched by one caller at a time; empty ones are not kept.

    Args:
        clock: Current time.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._values: dict[tuple[str, ...], tuple[datetime, tuple[Any, ...]]] = {}
        self._locks: dict[tuple[str, ...], asyncio.Lock] = {}

    async def get(self, key: tuple[str, ...], fetch: Callable[[], Awaitable[tuple[Any, ...]]]) -> tuple[Any, ...]:
        """The remembered value, or a new one."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._values.get(key)
            if known is not None and self._clock() < known[0] + _LIFE:
                return known[1]
            value = await fetch()
            # An empty list usually means that the account may not read the table yet; an administrator who grants it
            # should not wait ten minutes.
            if value:
                self._values[key] = (self._clock(), value)
            return value


SHARED_CACHE = TimedCache()


class Lookups:
    """Names and ids of one instance.

    Args:
        client: The wire.
        config: Tables and language.
        cache: Shared by the process.
    """

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig, cache: TimedCache = SHARED_CACHE) -> None:
        self._client = client
        self._config = config
        self._cache = cache

    async def choices(self, element: str) -> tuple[Choice, ...]:
        """Choices of a field, in order. A table's own replace those it inherits."""
        query = where(
            Term("name", "IN", ",".join(self._config.tables)),
            Term("element", "=", element),
            Term("inactive", "=", "false"),
            Term("language", "=", self._config.servicenow_language),
            order=("sequence", "value"),
        )
        listing = await self._client.all("sys_choice", query, ("name", "element", "value", "label", "sequence"))
        rows = listing.whole("choices", desk=DESK)
        # From the ticket's table up: a table with choices of its own hides those of its parents (ServiceNow's rule).
        for table in self._config.tables:
            own = [row for row in rows if value_of(row, "name") == table]
            if own:
                return tuple(Choice(value_of(row, "value"), value_of(row, "label")) for row in own)
        return ()

    async def value(self, element: str, word: str) -> str:
        """The stored value of a choice, by label or by the value itself.

        Raises:
            DeskValidationError: There is no such choice; the instance would store the word without complaint.
        """
        known = await self._cached("choices", element, lambda: self.choices(element))
        wanted = word.strip().casefold()
        for choice in known:
            if wanted in (choice.label.casefold(), choice.value.casefold()):
                return str(choice.value)
        offered = ", ".join(choice.label for choice in known) or "nothing that this account may read"
        raise DeskValidationError(f"{DESK} has no {element} '{word}'; it offers {offered}.", fields=(element,))

    async def closing(self, text: str) -> dict[str, str]:
        """What a solved ticket has to say: the connection's resolution code, and this text."""
        code = await self.value("close_code", self._config.servicenow_close_code)
        return {"close_code": code, "close_notes": text}

    async def priority(self, word: str) -> str:
        """The value of a priority; the number in front of a stock label counts where labels are translated.

        Raises:
            DeskValidationError: There is no such priority.
        """
        number = word.partition(" - ")[0].strip()
        try:
            return await self.value("priority", word)
        except DeskValidationError:
            if number == word or not number.isdigit():
                raise
            return await self.value("priority", number)

    async def fields(self) -> tuple[dict[str, Any], ...]:
        """Dictionary rows of the table and its parents; empty if this account may not read the dictionary."""
        query = where(
            Term("name", "IN", ",".join(self._config.tables)),
            Term("element", "ISNOTEMPTY"),
            order=("element",),
        )
        names = ("name", "element", "column_label", "internal_type", "max_length", "mandatory", "read_only")
        return tuple((await self._client.all("sys_dictionary", query, names)).whole("fields", desk=DESK))

    async def unknown_fields(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names the dictionary does not have; none if it cannot be read (rows are checked as they come)."""
        if not names:
            return ()
        try:
            rows = await self._cached("dictionary", "", self.fields)
        except (DeskPermissionError, DeskNotFoundError):
            return ()
        known = {value_of(row, "element") for row in rows}
        return tuple(name for name in names if known and name.partition(".")[0] not in known)

    async def require_fields(self, names: tuple[str, ...]) -> None:
        """Refuse names that the instance would silently ignore.

        Raises:
            DeskValidationError: The table has no such field.
        """
        unknown = await self.unknown_fields(names)
        if unknown:
            raise no_such_fields(self._config.servicenow_table, unknown)

    async def user(self, email: str) -> str:
        """``sys_id`` of the active user with an address.

        Raises:
            DeskValidationError: There is none, or more than one.
        """
        query = where(Term("email", "=", literal(email, "assigned_to")), Term("active", "=", "true"))
        return await self._only("sys_user", query, email, "assigned_to")

    async def group(self, name: str) -> str:
        """``sys_id`` of the active group with a name.

        Raises:
            DeskValidationError: There is none, or more than one.
        """
        query = where(Term("name", "=", literal(name, "assignment_group")), Term("active", "=", "true"))
        return await self._only("sys_user_group", query, name, "assignment_group")

    async def company(self, name: str) -> str:
        """``sys_id`` of the company with a name.

        Raises:
            DeskValidationError: There is none, or more than one.
        """
        return await self._only("core_company", where(Term("name", "=", literal(name, "company"))), name, "company")

    async def labels(self, element: str) -> dict[str, str]:
        """Stored value to label of a choice field."""
        known = await self._cached("choices", element, lambda: self.choices(element))
        return {choice.value: choice.label for choice in known}

    async def named(self, custom: Mapping[str, Any]) -> dict[str, Any]:
        """Fields by their own names, where some are given by the label people see.

        The dictionary is asked only about names that cannot be a field's own, or that it does not have.
        """
        strangers = set(await self.unknown_fields(tuple(custom)))
        if not strangers:
            return dict(custom)
        rows = await self._cached("dictionary", "", self.fields)
        own = {value_of(row, "column_label").casefold(): value_of(row, "element") for row in rows}
        return {own.get(name.casefold(), name) if name in strangers else name: custom[name] for name in custom}

    async def _only(self, table: str, query: Query, word: str, field: str) -> str:
        # Two rows are enough to know that a name is ambiguous.
        page = await self._client.page(table, query, ("sys_id", "name"), limit=2)
        if len(page.rows) != 1:
            count = "no" if not page.rows else "more than one"
            raise DeskValidationError(f"{DESK} has {count} active {table} '{word}'.", fields=(field,))
        return value_of(page.rows[0], "sys_id")

    async def _cached(self, kind: str, name: str, fetch: Callable[[], Awaitable[tuple[Any, ...]]]) -> tuple[Any, ...]:
        return await self._cache.get((self._config.account_key(), *self._config.tables, kind, name), fetch)


def no_such_fields(table: str, names: tuple[str, ...]) -> DeskValidationError:
    """The error for fields that ServiceNow would ignore without a word."""
    return DeskValidationError(
        f"The {DESK} table {table} has no field {', '.join(names)} that this account may use.", fields=names
    )
