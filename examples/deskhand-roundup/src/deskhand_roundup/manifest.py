"""What the Roundup plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import BASIC_OPERATIONS, Manifest

DESK = "Roundup"
TOOL_TYPE = "roundup"

EVENTS = frozenset({"issue.created", "issue.updated", "issue.message_added"})
IGNORED_EVENTS = {
    "issue.retired": "the issue was deleted",
    "issue.restored": "a deleted issue came back as it was",
}

MANIFEST = Manifest(
    tool_type=TOOL_TYPE,
    name="Roundup",
    operations=BASIC_OPERATIONS,
    settable=frozenset({"subject", "priority", "category", "group", "assignee_email", "add_tags", "custom"}),
    events=EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    signature="Standard Webhooks headers from the detector that comes with the plugin.",
    optimistic_writes=True,
    documentation="examples/deskhand-roundup/README.md",
)
