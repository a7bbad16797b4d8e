"""What the ServiceNow plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import BASIC_OPERATIONS, Manifest

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
    operations=BASIC_OPERATIONS,
    events=EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    signature="X-Itsm-Signature: HMAC-SHA-256 over id, time and body, made by the business rule we ship.",
    optimistic_writes=False,
    documentation="docs/howto/connect-servicenow.md",
)
