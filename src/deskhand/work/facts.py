"""Turns a ticket and what was found for it into what a note is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from deskhand.kit.marks import strip_marks
from deskhand.kit.replies import bare_subject, in_order
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit
from deskhand.knowledge.solutions import is_solution
from deskhand.knowledge.triage import LabelSuggestion
from deskhand.notes.facts import Kin, NoteFacts, Source, Suggestion
from deskhand.plugins.contract import Ticket
from deskhand.work.conversation import Conversation
from deskhand.work.files.read import NO_FILES, FilesRead, names_unread
from deskhand.work.research import Findings
from deskhand.work.views import person_words

SYNTHETIC = "synthetic"
CUSTOM_FIELDS = 10
_FIELD_CHARS = 200
_KNOWN_FIELDS = {
    **dict.fromkeys(("cmdb_ci", "asset", "assets", "configuration_items"), "Asset"),
    **dict.fromkeys(("business_service", "service_category"), "Service"),
    **dict.fromkeys(("sla_due", "due_date", "due_by_time", "due_at", "duedate"), "Due"),
    **{name: name.capitalize() for name in ("location", "site", "impact", "urgency")},
}
_OWN_FIELD = re.compile(r"u_\w{1,60}|udf_\w{1,60}|customfield_\d{1,20}|\d{1,20}")
_SAYS_SOMETHING = re.compile(r"[^\W\d_]{2}|\d{4}-\d\d-\d\d")


def note_input(
    ticket: Ticket,
    findings: Findings,
    conversation: Conversation | None = None,
    files: FilesRead = NO_FILES,
    kin: Kin | None = None,
) -> NoteFacts:
    """Everything the note is made of, in the model layer's own terms.

    Args:
        ticket: The new ticket.
        findings: What research found, best first.
        conversation: What people said on it since.
        files: What its files say.
        kin: The ticket that it is a part of or was made out of.
    """
    sources = (
        # Short names instead of ids: a small model copies "T1" without a fault, and a ticket's long id only sometimes.
        *(history_source(hit, ref=f"T{number}") for number, hit in enumerate(findings.history, 1)),
        *(article_source(hit, ref=f"K{number}") for number, hit in enumerate(findings.articles, 1)),
        *(system_source(hit, ref=f"S{number}") for number, hit in enumerate(findings.systems, 1)),
    )
    triage = findings.triage
    return NoteFacts(
        ticket_ref=ticket.display_id,
        # Our own marks are noise to a model, and a quoted one must not get into a new note.
        subject=bare_subject(strip_marks(ticket.subject)),
        description=in_order(strip_marks(ticket.description)),
        sources=sources,
        suggestions=(
            _suggestion(triage.category, findings, current=ticket.category),
            _suggestion(triage.priority, findings, current=ticket.priority),
        ),
        unavailable=(*findings.unavailable, *ticket.unread),
        conversation=conversation.turns if conversation else (),
        files=files.texts,
        unread=tuple(name for name, _ in files.unread),
        particulars=particulars(ticket, files),
        kin=kin,
    )


def particulars(ticket: Ticket, files: FilesRead = NO_FILES) -> tuple[tuple[str, str], ...]:
    """What is known of a ticket besides its texts; what it has not is left out."""
    requester = ticket.requester
    known = {
        # Who somebody is to a reader; an id is no name.
        "Requester": (person_words(requester) if requester and (requester.name or requester.email) else None),
        "Company": ticket.company.name if ticket.company else None,
        "Status": ticket.status,
        "Priority": ticket.priority or ticket.vendor_priority,
        "Category": ticket.category,
        "Group": ticket.group,
        "Tags": ", ".join(ticket.tags),
        "Attachments (names alone, nobody has read them)": names_unread(ticket, files),
        **dict(islice(custom_fields(ticket.custom), CUSTOM_FIELDS)),
    }
    return tuple((name, strip_marks(value)) for name, value in known.items() if value)


def custom_fields(custom: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a desk's other fields, those that tell a technician something: asset, service, due times, the tenant's own."""
    for name, value in (*custom.items(), *_members(custom.get("udf_fields"))):
        label = _KNOWN_FIELDS.get(name) or (name if _OWN_FIELD.fullmatch(name) else None)
        words = _words_of(value) if label else ""
        # Ids, ranks and flags are fields of the tenant's own, too, and say nothing.
        if label and len(words) <= _FIELD_CHARS and _SAYS_SOMETHING.search(words):
            yield label, words


def _members(value: object) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


def _words_of(value: object) -> str:
    """A field's value as its desk shows it; one with members is called by its name."""
    if isinstance(value, list | tuple):
        return ", ".join(words for one in value if (words := _words_of(one)))
    if isinstance(value, Mapping):
        return next((str(value[key]) for key in ("display_value", "name", "value") if value.get(key)), "")
    return " ".join(value.split()) if isinstance(value, str) else ""


def history_source(hit: HistoryHit, *, ref: str) -> Source:
    """A solved ticket as something that can be cited."""
    return Source(
        ref=ref,
        kind="ticket",
        label=hit.ticket_id,
        title=hit.subject,
        # "Done" is stored as its desk has it, and quoted as what solved a ticket it would be worse than nothing.
        text=hit.resolution if hit.resolution and is_solution(hit.resolution) else "",
        problem=hit.description,
        url=hit.url,
        score=hit.score,
        synthetic=hit.source == SYNTHETIC,
    )


def article_source(hit: ArticleHit, *, ref: str) -> Source:
    """An article as something that can be cited."""
    return Source(
        ref=ref,
        kind="article",
        label=hit.article_id,
        title=hit.title,
        text=hit.body,
        url=hit.url,
        score=hit.score,
        synthetic=hit.source == SYNTHETIC,
    )


def system_source(hit: SystemHit, *, ref: str) -> Source:
    """A system of the inventory as something that can be cited."""
    facts = [hit.ip_address, hit.location, hit.client]
    return Source(
        ref=ref,
        kind="system",
        label=hit.hostname,
        title=hit.role or "system",
        text=", ".join(fact for fact in facts if fact),
        named=hit.matched,
        score=hit.score,
        synthetic=hit.attributes.get("source") == SYNTHETIC,
    )


def live_source(ticket: Ticket) -> Source:
    """A ticket as its desk shows it now, as something that can be cited."""
    return Source(
        ref=f"{ticket.tool_type}/{ticket.display_id}",
        kind="live",
        label=ticket.display_id,
        title=strip_marks(ticket.subject),
        text=strip_marks(ticket.resolution or ""),
        problem=strip_marks(ticket.description),
        url=ticket.url,
    )


def _suggestion(label: LabelSuggestion, findings: Findings, *, current: str | None) -> Suggestion:
    """A value for a field, unless no ticket that may be called similar has it."""
    votes, of = findings.votes(label.field, label.value)
    return Suggestion(field=label.field, value=label.value if votes else None, votes=votes, of=of, current=current)
