"""What the ServiceDesk Plus plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import ALL_FILTERS, Inverse, LinkKind, Manifest, NoteEffect, Operation, ValueKind
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
    bills_time=True,
    limits={
        Operation.REPLY: "A note that the requester sees in the portal; whether it is mailed is the desk's setting.",
        Operation.LINK_TICKETS: "A ticket elsewhere is named in an internal note, because requests have no such link.",
        Operation.LOG_TIME: "At no cost unless a person says otherwise; the Cloud asks for servicedesk_bot_email.",
    },
    # [K]: the words of the pages that administrators have; no vendor keeps them the same for long.
    note_settings={
        NoteEffect.VISIBILITY: "Setup, Automation, Business Rules and Custom Triggers: take out what shows notes to the"
        " requester; and in Setup, Self-Service Portal Settings, the choice that notes are public.",
        NoteEffect.MAIL: "Setup, Automation, Notification Rules, Request: switch off the mail to the requester when a"
        " note is added.",
        NoteEffect.FIRST_RESPONSE: "Setup, Automation, Custom Triggers: take out what marks a note as the first"
        " response.",
        NoteEffect.STATUS: "Setup, Automation, Custom Triggers and Business Rules: take out what sets a status when a"
        " note is added.",
        NoteEffect.ASSIGNEE: "Setup, Automation, Custom Triggers and Technician Auto Assign: take out what assigns when"
        " a note is added.",
        NoteEffect.CLOCKS: "Setup, Automation, Service Level Agreements, and the statuses that stop the timer.",
    },
)
