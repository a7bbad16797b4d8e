"""Whose account a connection is, as far as the instance tells."""

from __future__ import annotations

from typing import Any

from deskhand.plugins.accounts import number_of, warnings_about
from deskhand.plugins.servicenow import mapping
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.query import Term, value_of, where

TECHNICAL = ("web_service_access_only", "internal_integration_user")
"""Flags of a user that no person signs in with (prior knowledge)."""
_MOST = 20


async def warnings(client: ServiceNowClient, config: ServiceNowConfig, user: dict[str, Any]) -> tuple[str, ...]:
    """What speaks for it that our account is a person's; one that is marked as technical is none."""
    if any(value_of(user, name) == "true" for name in TECHNICAL):
        return ()
    mine = where(Term("assigned_to", "=", value_of(user, "sys_id")), Term("active", "=", "true"))

    async def count() -> int:
        page = await client.page(
            config.servicenow_table, mine, ("sys_id", "assigned_to", "active", "state"), limit=_MOST
        )
        # A resolved one is active until it is closed.
        return sum(value_of(row, "state") not in config.servicenow_closed_states for row in page.rows)

    name = value_of(user, "user_name")
    if not mapping.is_sys_id(value_of(user, "sys_id")):
        return ()
    return warnings_about(name, open_tickets=await number_of(count()))
