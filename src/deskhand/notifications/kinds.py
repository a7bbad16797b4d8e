"""What each kind of notification is called, who may be told of it, and when a message about it is due. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.kit.cron import next_fire
from deskhand.notifications.models import Kind, Pace
from deskhand.tenants.notification_rules import NotificationRules, notification_rules
from deskhand.tenants.storm_rules import storm_rules


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind in words.

    Attributes:
        title: What it is called in a form.
        help: What is told, in a sentence.
        role: Whoever includes this role may be told.
    """

    title: str
    help: str
    role: str = "viewer"


MEANINGS: Mapping[Kind, Meaning] = {
    Kind.FAILURE: Meaning("Runs that failed", "A run ended without its work done and is not tried again by itself."),
    Kind.DOUBT: Meaning(
        "Writes in doubt", "Nobody knows whether a write happened; somebody has to look at the ticket."
    ),
    Kind.APPROVAL: Meaning("Calls that wait for a yes", "An agent asks before it writes."),
    Kind.BUDGET_WARNING: Meaning("Budgets near their end", "A budget for models has passed its warning."),
    Kind.BUDGET_STOP: Meaning("Budgets at their end", "A budget is used up, and calls of models are refused."),
    Kind.CONNECTION: Meaning(
        "Desks and models that do not answer", "Three runs within a quarter of an hour got no answer from the same one."
    ),
    Kind.SCHEDULE: Meaning("Schedules that stopped", "A schedule has no next time, though nobody paused it."),
    Kind.STORM: Meaning("Outages", "Many tickets of one client company report the same within a short time."),
    Kind.PUBLISHED: Meaning(
        "Notes that became public",
        "A desk showed a requester what was written as an internal note; the agent that wrote it is paused.",
    ),
    Kind.AUDIT: Meaning("An audit log that does not verify", "Entries were changed or are missing.", "tenant_admin"),
}
USUAL: Pace = Pace.NOW
"""How soon whoever the tenant names is told, of whatever kind, unless the person chose otherwise."""


def usual_pace(kind: Kind, email: str, preferences: dict[str, Any] | None) -> Pace:
    """How soon somebody is told who chose nothing.

    Args:
        kind: Of what.
        email: The person's address.
        preferences: Of the tenant, which names whom it wants told of everything, and of outages besides.
    """
    named = [*notification_rules(preferences).mail, *(storm_rules(preferences).tell if kind is Kind.STORM else ())]
    return USUAL if email.lower() in {one.lower() for one in named} else Pace.OFF


def next_digest(rules: NotificationRules, *, after: datetime) -> datetime:
    """When the next daily digest leaves, by the clock of the tenant's zone."""
    return next_fire(f"0 {rules.digest_hour} * * *", rules.digest_timezone, after=after)
