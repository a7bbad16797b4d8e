"""What the ServiceNow plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import ALL_FILTERS, Inverse, LinkKind, Manifest, NoteEffect, Operation, ValueKind
from deskhand.plugins.operations import SAMPLE_TICKET

DESK = "ServiceNow"
TOOL_TYPE = "servicenow"

# ServiceNow has no webhook product: these are the events our business rule tells apart (setup/business_rule.js.txt).
EVENTS = frozenset({"incident.created", "incident.updated"})
IGNORED_EVENTS = {
    "incident.resolved": "the work on the incident is done",
    "incident.closed": "the incident is closed",
    "incident.canceled": "the incident was canceled",
}

MANIFEST = Manifest(
    tool_type=TOOL_TYPE,
    name="ServiceNow",
    operations=frozenset(Operation) - {Operation.UPDATE_NOTE},
    settable=frozenset({"subject", "description", "priority", "category", "group", "assignee_email", "custom"}),
    filters=ALL_FILTERS,
    value_kinds=frozenset(ValueKind) - {ValueKind.TYPES},
    links=frozenset({LinkKind.CHILD_OF}),
    inverses=frozenset(Inverse),
    limits={
        Operation.TICKET_CHANGES: "Read from sys_audit, which the account must be allowed to read.",
        Operation.UPDATE_TICKET: "A priority is made by impact and urgency where the instance computes it.",
        Operation.CREATE_TICKET: "Keeps its mark in correlation_id.",
        Operation.LINK_TICKETS: "An incident has one parent incident; a ticket elsewhere is named in a work note.",
        Operation.LOG_TIME: "A row of task_time_worked, which the account must be allowed to create.",
    },
    events=EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    sample_event={"event": "incident.updated", "sys_id": SAMPLE_TICKET},
    signature="X-Itsm-Signature: HMAC-SHA-256 over id, time and body, made by the business rule we ship.",
    optimistic_writes=False,
    documentation="docs/howto/connect-servicenow.md",
    # [K]: the words of the pages that administrators have; no vendor keeps them the same for long.
    note_settings={
        NoteEffect.VISIBILITY: "System Definition, Business Rules and Flow Designer on the table: take out what copies"
        " work notes into comments.",
        NoteEffect.MAIL: "System Notification, Email, Notifications on the table: let those to the caller ask for"
        " “Additional comments changes”, and not for “Work notes changes”.",
        NoteEffect.FIRST_RESPONSE: "Service Level Management, SLA Definitions, those with target Response: the stop"
        " condition.",
        NoteEffect.STATUS: "System Definition, Business Rules and Flow Designer: take out what sets the state when work"
        " notes change.",
        NoteEffect.ASSIGNEE: "System Definition, Assignment and Business Rules: take out what assigns whoever writes"
        " work notes.",
        NoteEffect.CLOCKS: "Service Level Management, SLA Definitions: the pause and stop conditions.",
    },
)
