"""How a ticket stands beside its fields: metrics, targets, and the mails that triggers sent. Pure but for the calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import SentMail, Standing
from deskhand.plugins.standing import HALTED, RUNNING, STOPPED
from deskhand.plugins.zendesk.client import ZendeskClient, rows

_STAGES = {"active": RUNNING, "paused": HALTED, "achieved": STOPPED, "breached": RUNNING}  # [K]


async def read_standing(client: ZendeskClient, path: str) -> Standing:
    """Metrics and targets come with the ticket; mails are events of its audits.

    Args:
        client: The wire.
        path: Address of the ticket.
    """
    body = await client.get(path, {"include": "metric_sets,slas"})
    audits = await client.pages(f"{path}/audits", "audits", {"include": "users"})
    return await read_aside(_read, body, audits.rows)


def _read(body: Mapping[str, Any], pages: list[dict[str, Any]]) -> Standing:
    ticket = body["ticket"]
    users = {user.get("id"): user for page in pages for user in page.get("users") or ()}
    mails = tuple(mail for page in pages for audit in rows(page, "audits") for mail in _mails(audit, users))
    return Standing(first_response=_first_response(ticket), clocks=_clocks(ticket), mails=mails)


def _first_response(ticket: Mapping[str, Any]) -> str | None:
    times = (ticket.get("metric_set") or {}).get("reply_time_in_minutes")
    if not isinstance(times, Mapping):
        return None
    minutes = times.get("calendar")
    return "" if minutes is None else f"after {minutes} minutes"


def _clocks(ticket: Mapping[str, Any]) -> dict[str, str] | None:
    slas = ticket.get("slas")
    # An account without targets sends none; it tells as little as one of a plan that has none.
    if not isinstance(slas, Mapping):
        return None
    targets = slas.get("policy_metrics") or ()
    return {str(one["metric"]): _STAGES.get(str(one.get("stage")), str(one.get("stage"))) for one in targets}


def _mails(audit: Mapping[str, Any], users: Mapping[Any, Mapping[str, Any]]) -> Iterator[SentMail]:
    for event in audit.get("events") or ():
        if event.get("type") == "Notification":
            to = (str((users.get(one) or {}).get("email") or one) for one in event.get("recipients") or ())
            source = ((event.get("via") or {}).get("source") or {}).get("from") or {}
            yield SentMail(id=str(event.get("id")), to=tuple(to), rule=str(source.get("title") or ""))
