"""What the Jira Service Management plugin offers, and its explicit list of events."""

from __future__ import annotations

from deskhand.plugins.contract import ALL_FILTERS, Inverse, LinkKind, Manifest, NoteEffect, Operation, ValueKind
from deskhand.plugins.operations import SAMPLE_MILLISECONDS, SAMPLE_TICKET, SAMPLE_TIME

DESK = "Jira Service Management"
TOOL_TYPE = "jira"

EVENTS = frozenset(
    {
        "jira:issue_created",
        "jira:issue_updated",
        "comment_created",
        "comment_updated",
        "automation:created",
        "automation:updated",
        "automation:commented",
        "automation:issue",
    }
)
IGNORED_EVENTS = {
    "jira:issue_deleted": "the ticket is gone",
    "comment_deleted": "nothing is left to read",
    "issuelink_created": "a link changes nothing an agent acts on",
    "issuelink_deleted": "a link changes nothing an agent acts on",
    "attachment_created": "the edit that carries the file has an event of its own",
    "attachment_deleted": "a file was removed",
    "worklog_created": "time was booked",
    "worklog_updated": "time was booked",
    "worklog_deleted": "time was booked",
    "jira:worklog_updated": "time was booked",
    "issue_property_set": "our own mark, or an app's",
    "issue_property_deleted": "our own mark, or an app's",
    "automation:deleted": "the ticket is gone",
}
GONE_EVENTS = {"jira:issue_deleted", "automation:deleted"}

MANIFEST = Manifest(
    tool_type=TOOL_TYPE,
    name="Jira Service Management Cloud",
    operations=frozenset(Operation),
    settable=frozenset(
        {
            *("subject", "description", "priority", "category", "group", "assignee_email", "add_tags", "remove_tags"),
            "custom",
        }
    ),
    filters=ALL_FILTERS,
    value_kinds=frozenset(ValueKind) - {ValueKind.CATEGORIES},
    links=frozenset(LinkKind) - {LinkKind.CHILD_OF},
    inverses=frozenset(Inverse),
    deletes_notes=True,
    limits={
        Operation.UPDATE_TICKET: "Fields that the edit screen lacks are refused; a group needs jira_group_field.",
        Operation.CREATE_TICKET: "Keeps its mark as a label, because the search finds nothing else at once.",
        Operation.RESOLVE: "The resolution's text is the resolving comment, or the field jira_resolution_field.",
        Operation.LOG_TIME: "Time tracking must be on; the remaining estimate stays as it is.",
    },
    events=EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    sample_event={
        "webhookEvent": "jira:issue_updated",
        "timestamp": SAMPLE_MILLISECONDS,
        "issue_event_type_name": "issue_generic",
        "issue": {"id": SAMPLE_TICKET, "fields": {"updated": SAMPLE_TIME}},
    },
    signature="X-Hub-Signature (HMAC-SHA-256) from an admin webhook, or X-Itsm-Token from an Automation rule.",
    optimistic_writes=False,
    documentation="docs/howto/connect-jira.md",
    # [K]: the words of the pages that administrators have; no vendor keeps them the same for long.
    note_settings={
        NoteEffect.VISIBILITY: "Project settings, Automation: take out rules that copy or add comments for customers;"
        " check that the project is a service project, or set jira_note_route to servicedesk.",
        NoteEffect.MAIL: "Project settings, Customer notifications: switch off what is sent for internal comments; then"
        " Automation rules that send mail.",
        NoteEffect.FIRST_RESPONSE: "Project settings, SLAs, Time to first response: let it stop at “Comment: For"
        " Customers” alone.",
        NoteEffect.STATUS: "Project settings, Automation: let “transition on comment” ask for public comments.",
        NoteEffect.ASSIGNEE: "Project settings, Automation: take out the rule that assigns whoever comments.",
        NoteEffect.CLOCKS: "Project settings, SLAs: the conditions under which each one pauses and stops.",
    },
)
