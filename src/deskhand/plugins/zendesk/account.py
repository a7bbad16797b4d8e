"""Whose account a connection is, as far as Zendesk tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.kit.times import read_number
from deskhand.plugins.accounts import number_of, warnings_about
from deskhand.plugins.zendesk import mapping
from deskhand.plugins.zendesk.client import ZendeskClient


async def warnings(client: ZendeskClient, user: Mapping[str, Any]) -> tuple[str, ...]:
    """What speaks for it that our account is a person's: who works for an API alone never signs in by hand."""
    query = f"type:ticket assignee:{user['id']} status<solved"

    async def count() -> int:
        return int(read_number((await client.get("search", {"query": query, "per_page": 1})).get("count")) or 0)

    return warnings_about(
        str(user.get("name") or user["id"]),
        open_tickets=await number_of(count()),
        # Prior knowledge: null for an account that nobody has signed in with.
        signed_in=mapping.read_time(user.get("last_login_at")),
    )
