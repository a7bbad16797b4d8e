"""What the ServiceDesk Plus plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import ALL_FILTERS, Inverse, LinkKind, Manifest, Operation, ValueKind
from deskhand.plugins.operations import SAMPLE_MILLISECONDS, SAMPLE_TICKET

DESK = "ServiceDesk Plus"
TOOL_TYPE = "servicedesk_plus"

EVENTS = frozenset({"request.created", "request.updated", "request.assigned", "request.note_added", "request.reopened"})
IGNORED_EVENTS = {
    "request.resolved": "the work on the ticket is done",
    "request.closed": "the ticket is closed and accepts no note",
    "request.cancelled": "the ticket was cancelled",
    "request.deleted": "the ticket is gone",
    "request.merged": "the ticket went into another one, which has events of its own",
}

MANIFEST = Manifest(
    tool_type=TOOL_TYPE,
    name="ManageEngine ServiceDesk Plus",
    operations=frozenset(Operation),
    events=EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    sample_event={
        "event": "request.updated",
        "request": {"id": SAMPLE_TICKET, "last_updated_time": {"value": SAMPLE_MILLISECONDS}},
    },
    signature="Standard Webhooks headers from our custom-trigger script, or X-Itsm-Token from a webhook action.",
    optimistic_writes=False,
    documentation="docs/howto/connect-servicedesk-plus.md",
    settable=frozenset({"subject", "description", "priority", "category", "group", "assignee_email", "custom"}),
    filters=ALL_FILTERS,
    value_kinds=frozenset(ValueKind),
    links=frozenset({LinkKind.RELATED}),
    inverses=frozenset(Inverse),
    deletes_notes=True,
    limits={
        Operation.REPLY: "A note that the requester sees in the portal; whether it is mailed is the desk's setting.",
        Operation.LINK_TICKETS: "A ticket elsewhere is named in an internal note, because requests have no such link.",
    },
)
