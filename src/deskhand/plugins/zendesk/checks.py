"""Testing a connection, and refusing before the desk would ignore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.kit.clock import utc_now
from deskhand.plugins.contract import ConnectionReport, Person
from deskhand.plugins.errors import DeskAuthError, DeskError, DeskPermissionError, DeskValidationError
from deskhand.plugins.zendesk import mapping
from deskhand.plugins.zendesk.account import warnings
from deskhand.plugins.zendesk.client import ZendeskClient, rows
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.manifest import API_TOKENS_END, DESK

_STAFF = {"agent", "admin"}
Check = tuple[str, bool, str]


async def current_user(client: ZendeskClient) -> Person:
    """Our own account.

    Raises:
        DeskAuthError: The desk does not know us: it answers 200 with an id of null to anybody.
        DeskPermissionError: We are signed in as an end user.
    """
    return mapping.read_person(await _signed_in(client))


async def _signed_in(client: ZendeskClient) -> dict[str, Any]:
    user = (await client.get("users/me")).get("user")
    if not isinstance(user, dict) or not user.get("id"):
        raise DeskAuthError(f"{DESK} takes us for an anonymous visitor: the credentials did not reach it.")
    if user.get("role") not in _STAFF:
        raise DeskPermissionError(f"The account has the role '{user.get('role')}' and must be an agent or admin.")
    return user


async def run(client: ZendeskClient, config: ZendeskConfig) -> ConnectionReport:
    """Sign in, search, and read audits: what every agent run needs, in this order."""
    checks: list[Check] = []
    account: Person | None = None
    told: tuple[str, ...] = ()
    step = "Address and credentials"
    try:
        user = await _signed_in(client)
        account = mapping.read_person(user)
        checks.append((step, True, f"signed in as {account.name} (user {account.id}, {user.get('role')})"))
        step = "Permission to search tickets"
        tickets = rows(await client.get("search", {"query": "type:ticket", "per_page": 1}), "results")
        checks.append((step, True, "works"))
        step = "Permission to read audits, where our marks are kept"
        # An audit can only be read of a ticket, and a new account has none.
        if tickets:
            await client.get(f"tickets/{tickets[0].get('id')}/audits", {"page[size]": 1})
        checks.append((step, True, "works" if tickets else "not tried: there is no ticket yet"))
        # Told and not failed: an agent's account does everything but import history.
        checks.append(_history(user))
        told = await warnings(client, user)
    except DeskError as error:
        checks.append((step, False, error.detail))
    if not config.uses_oauth:
        checks.append(_legacy())
    ok = all(passed for _, passed, _ in checks)
    return ConnectionReport(ok=ok, checks=tuple(checks), account=account, warnings=told)


def _history(user: Mapping[str, Any]) -> Check:
    admin = user.get("role") == "admin"
    said = "the account is an admin" if admin else "not available: only admins may export, and this is an agent"
    return "Import of history", True, said


def _legacy() -> Check:
    """API tokens still work, and everybody who looks shall see until when."""
    left = (API_TOKENS_END - utc_now().date()).days
    if left < 0:
        return "API token (legacy)", False, f"Zendesk ended API tokens on {API_TOKENS_END}; use OAuth."
    said = f"works until {API_TOKENS_END} ({left} days): Zendesk then ends API tokens. Change to OAuth before."
    return "API token (legacy)", True, said


def ensure_fields_exist(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse a custom field the ticket does not have.

    Raises:
        DeskValidationError: The desk would accept the call and drop the value without a word.
    """
    wanted = fields.get("custom_fields") or ()
    known = {item.get("id") for item in raw.get("custom_fields") or () if isinstance(item, dict)}
    missing = tuple(str(item["id"]) for item in wanted if item["id"] not in known)
    if missing:
        raise DeskValidationError(f"{DESK} has no ticket field {', '.join(missing)}.", fields=missing)


def ensure_problem(raw: Mapping[str, Any], ticket_id: str) -> None:
    """Refuse a link with a ticket that is no problem.

    Raises:
        DeskValidationError: An incident has a problem, and nothing else.
    """
    if raw.get("type") != "problem":
        raise DeskValidationError(
            f"{DESK} links an incident with a ticket of type problem only, and {ticket_id} is none.",
            fields=("problem_id",),
        )
