"""How a request stands beside its fields: its SLAs. The site tells no mails. Pure but for the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import Standing
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError
from deskhand.plugins.jira.client import JiraClient
from deskhand.plugins.standing import HALTED, RUNNING, STOPPED

_FIRST = "first response"
"""How the SLA is called that each service project is made with; where it was renamed, the site does not tell."""


async def read_standing(client: JiraClient, path: str) -> Standing:
    """SLAs of a request; an issue of another kind of project, or an account that is no agent, is told none.

    Args:
        client: The wire.
        path: Address of the request in the service desk API.
    """
    try:
        body = await client.get(f"{path}/sla", {"limit": 50})
    except (DeskNotFoundError, DeskPermissionError):
        return Standing()
    return await read_aside(_read, body)


def _read(body: Mapping[str, Any]) -> Standing:
    rows = [row for row in body["values"] if isinstance(row, Mapping)]
    first = next((row for row in rows if _FIRST in str(row.get("name")).casefold()), None)
    return Standing(
        first_response=None if first is None else _ended(first), clocks={str(row["name"]): _clock(row) for row in rows}
    )


def _ended(row: Mapping[str, Any]) -> str:
    cycles = row.get("completedCycles") or ()
    return str((cycles[0].get("stopTime") or {}).get("iso8601") or "yes") if cycles else ""


def _clock(row: Mapping[str, Any]) -> str:
    cycle = row.get("ongoingCycle")
    return STOPPED if not cycle else HALTED if cycle.get("paused") else RUNNING
