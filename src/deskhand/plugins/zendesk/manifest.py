"""What the Zendesk plugin offers, and its explicit list of events."""

from __future__ import annotations

from datetime import date

from deskhand.plugins.contract import ALL_FILTERS, Inverse, LinkKind, Manifest, NoteEffect, Operation, ValueKind
from deskhand.plugins.operations import SAMPLE_TICKET, SAMPLE_TIME

DESK = "Zendesk"
TOOL_TYPE = "zendesk"

API_TOKENS_END = date(2027, 4, 30)
"""Zendesk switches API tokens off (developer.zendesk.com, API basics, OAuth migration)."""

EVENT_PREFIX = "zen:event-type:"

# Sent by the triggers we ship.
TRIGGER_EVENTS = frozenset({"ticket.created", "ticket.updated"})

# Sent by an event-subscribed webhook, without the prefix (developer.zendesk.com, webhooks, ticket events).
SUBSCRIBED_EVENTS = frozenset(
    {
        "ticket.agent_assignment_changed",
        "ticket.comment_added",
        "ticket.created",
        "ticket.custom_field_changed",
        "ticket.custom_status_changed",
        "ticket.description_changed",
        "ticket.group_assignment_changed",
        "ticket.priority_changed",
        "ticket.requester_changed",
        "ticket.status_changed",
        "ticket.subject_changed",
        "ticket.type_changed",
        "ticket.undeleted",
    }
)
IGNORED_EVENTS = {
    "ticket.attachment_linked_to_comment": "the comment that carries the file has an event of its own",
    "ticket.attachment_redacted_from_comment": "something was taken away",
    "ticket.brand_changed": "nothing an agent acts on",
    "ticket.comment_made_private": "nothing new was said",
    "ticket.comment_redacted": "something was taken away",
    "ticket.email_ccs_changed": "nothing an agent acts on",
    "ticket.external_id_changed": "set by another integration",
    "ticket.followers_changed": "nothing an agent acts on",
    "ticket.form_changed": "the fields that change have events of their own",
    "ticket.marked_as_spam": "the ticket is spam",
    "ticket.merged": "the ticket went into another one, which has events of its own",
    "ticket.organization_changed": "nothing an agent acts on",
    "ticket.permanently_deleted": "the ticket is gone",
    "ticket.problem_link_changed": "nothing an agent acts on",
    "ticket.sla_policy_changed": "nothing an agent acts on",
    "ticket.soft_deleted": "the ticket is gone",
    "ticket.submitter_changed": "nothing an agent acts on",
    "ticket.tags_changed": "tags are set by every business rule, our own included",
    "ticket.task_due_at_changed": "nothing an agent acts on",
}
GONE_EVENTS = {"ticket.marked_as_spam", "ticket.merged", "ticket.permanently_deleted", "ticket.soft_deleted"}
DONE_STATUSES = {
    "solved": "the work on the ticket is done",
    "closed": "the ticket is closed and accepts no comment",
    "deleted": "the ticket is gone",
}

MANIFEST = Manifest(
    tool_type=TOOL_TYPE,
    name="Zendesk Support",
    # Time is kept by an app of the vendor's in fields of the customer's own, which its API does not name.
    operations=frozenset(Operation) - {Operation.UPDATE_NOTE, Operation.LOG_TIME},
    settable=frozenset(
        {"subject", "priority", "category", "group", "assignee_email", "add_tags", "remove_tags", "custom"}
    ),
    filters=ALL_FILTERS,
    value_kinds=frozenset(ValueKind) - {ValueKind.CATEGORIES},
    links=frozenset({LinkKind.CAUSED_BY}),
    inverses=frozenset(Inverse) - {Inverse.WITHDRAW_TIME},
    limits={
        Operation.UPDATE_TICKET: "The description cannot be changed: it is the ticket's first comment. A category needs"
        " zendesk_category_field.",
        Operation.LINK_TICKETS: "An incident is linked with its problem, which must be a ticket of type problem; a"
        " ticket elsewhere is named in an internal comment.",
        Operation.RESOLVE: "The resolution is the solving comment, or the field zendesk_resolution_field.",
    },
    events=SUBSCRIBED_EVENTS | TRIGGER_EVENTS,
    ignored_events=frozenset(IGNORED_EVENTS),
    sample_event={"event": "ticket.updated", "ticket_id": SAMPLE_TICKET, "updated_at": SAMPLE_TIME},
    signature="X-Zendesk-Webhook-Signature (HMAC-SHA-256 over timestamp and body) with the webhook's signing secret.",
    optimistic_writes=True,
    documentation="docs/howto/connect-zendesk.md",
    # [K]: the words of the pages that administrators have; no vendor keeps them the same for long.
    note_settings={
        NoteEffect.VISIBILITY: "Admin Center, Objects and rules, Triggers and Automations: take out what adds public"
        " comments; and Tickets, Settings, “Agent comments via web are public by default”.",
        NoteEffect.MAIL: "Admin Center, Objects and rules, Business rules, Triggers: give the one that mails the"
        " condition “Comment is public”.",
        NoteEffect.FIRST_RESPONSE: "Admin Center, Objects and rules, Service level agreements: advanced settings of the"
        " first reply target; an internal note should not fulfil it.",
        NoteEffect.STATUS: "Admin Center, Objects and rules, Triggers: give the one that sets a status the condition"
        " “Comment is public”.",
        NoteEffect.ASSIGNEE: "Admin Center, Objects and rules, Tickets, Settings: “Auto-assign ticket upon solve”, and"
        " triggers that assign the current user.",
        NoteEffect.CLOCKS: "Admin Center, Objects and rules, Service level agreements: which statuses pause each"
        " target.",
    },
)
