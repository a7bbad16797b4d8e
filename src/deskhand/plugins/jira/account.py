"""Whose account a site's connection is, as far as the site tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.kit.times import read_number
from deskhand.plugins.accounts import number_of, warnings_about
from deskhand.plugins.jira import jql
from deskhand.plugins.jira.client import PLATFORM, JiraClient


async def warnings(client: JiraClient, me: Mapping[str, Any], project: str) -> tuple[str, ...]:
    """What speaks for it that our account is a person's; an app's is none, and says so itself."""
    account = str(me.get("accountId") or "")
    if me.get("accountType") == "app" or not account:
        return ()
    statement = f"{jql.project_only(project)} AND assignee = {jql.quoted(account)} AND statusCategory != Done"

    async def count() -> int:
        answer = await client.write("POST", f"{PLATFORM}/search/approximate-count", {"jql": statement})
        return int(read_number(answer.get("count")) or 0)

    return warnings_about(str(me.get("displayName") or account), open_tickets=await number_of(count()))
