"""Searching tickets: by offset up to the desk's limit, by cursor beyond it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from deskhand.plugins.contract import TicketQuery
from deskhand.plugins.cursors import offset_of
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.zendesk import mapping
from deskhand.plugins.zendesk.client import PAGE, ZendeskClient, next_cursor, rows
from deskhand.plugins.zendesk.values import ZendeskValues

SEARCH_LIMIT = 1000
_SIDELOADS = "tickets(users,groups,organizations)"
_EXPORT = "export:"
_EXPORT_CURSOR = re.compile(r"export:[0-9TZ:+.-]{10,40}\|[\w=+/.-]{0,500}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Results:
    """One page of raw results."""

    rows: list[dict[str, Any]]
    next_cursor: str | None
    total: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


class TicketSearch:
    """Search of one connection.

    The search is offset-paged, newest change first, and ends at 1000 results. What is older comes from the export,
    which is ordered by creation; a ticket that was saved in the very second of the border may come twice.

    Args:
        client: Makes the calls.
        values: Resolves status names.
        priorities: Of the tenant.
    """

    def __init__(self, client: ZendeskClient, values: ZendeskValues, priorities: PriorityMap) -> None:
        self._client = client
        self._priorities = priorities
        self._values = values

    async def page(self, query: TicketQuery) -> Results:
        statuses = [await self._values.status_term(status) for status in query.status]
        priorities = [f"priority:{self._priorities.to_desk(word).casefold()}" for word in query.priority]
        words = mapping.search_words(query, [*statuses, *priorities])
        size = max(1, min(query.page_size, PAGE))
        if query.cursor is not None and _EXPORT_CURSOR.fullmatch(query.cursor):
            return await self._exported(words, size, query.cursor.removeprefix(_EXPORT))
        return await self._searched(words, size, offset_of(query.cursor, first=1))

    async def _searched(self, words: str, size: int, page: int) -> Results:
        params: dict[str, str | int] = {
            "query": f"type:ticket {words}".strip(),
            "sort_by": "updated_at",
            "sort_order": "desc",
            "include": _SIDELOADS,
            "page": page,
            "per_page": size,
        }
        body = await self._client.get("search", params)
        tickets = rows(body, "results")
        following = None
        if body.get("next_page") and tickets:
            border = tickets[-1].get("updated_at")
            # Zendesk answers 422 beyond its thousandth result; from there the export goes on with what is older.
            following = str(page + 1) if (page + 1) * size <= SEARCH_LIMIT else f"{_EXPORT}{border}|"
        count = body.get("count")
        return Results(tickets, following, count if isinstance(count, int) else None, body)

    async def _exported(self, words: str, size: int, cursor: str) -> Results:
        border, _, after = cursor.partition("|")
        params: dict[str, str | int] = {
            "query": f"{words} updated<={border}".strip(),
            "filter[type]": "ticket",
            "include": _SIDELOADS,
            "page[size]": size,
        }
        if after:
            params["page[after]"] = after
        body = await self._client.get("search/export", params)
        following = next_cursor(body)
        return Results(rows(body, "results"), f"{_EXPORT}{border}|{following}" if following else None, None, body)
