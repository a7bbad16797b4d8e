"""Turns a ticket and what was found for it into what a note is made of. Pure."""

from __future__ import annotations

from deskhand.kit.marks import strip_marks
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit
from deskhand.knowledge.triage import LabelSuggestion
from deskhand.notes.facts import NoteFacts, Source, Suggestion
from deskhand.plugins.contract import Ticket
from deskhand.work.research import Findings

SYNTHETIC = "synthetic"


def note_input(ticket: Ticket, findings: Findings) -> NoteFacts:
    """Everything the note is made of, in the model layer's own terms.

    Args:
        ticket: The new ticket.
        findings: What research found, best first.
    """
    sources = (
        *(_ticket(hit, number) for number, hit in enumerate(findings.history, 1)),
        *(_article(hit, number) for number, hit in enumerate(findings.articles, 1)),
        *(_system(hit, number) for number, hit in enumerate(findings.systems, 1)),
    )
    triage = findings.triage
    return NoteFacts(
        ticket_ref=ticket.display_id,
        subject=strip_marks(ticket.subject),
        description=strip_marks(ticket.description),
        sources=sources,
        suggestions=(
            _suggestion(triage.category, findings, current=ticket.category),
            _suggestion(triage.priority, findings, current=ticket.priority),
        ),
        unavailable=(*findings.unavailable, *ticket.unread),
    )


def _ticket(hit: HistoryHit, number: int) -> Source:
    return Source(
        ref=f"T{number}",
        kind="ticket",
        label=hit.ticket_id,
        title=hit.subject,
        text=hit.resolution or "",
        problem=hit.description,
        url=hit.url,
        score=hit.score,
        synthetic=hit.source == SYNTHETIC,
    )


def _article(hit: ArticleHit, number: int) -> Source:
    return Source(
        ref=f"K{number}",
        kind="article",
        label=hit.article_id,
        title=hit.title,
        text=hit.body,
        url=hit.url,
        score=hit.score,
        synthetic=hit.source == SYNTHETIC,
    )


def _system(hit: SystemHit, number: int) -> Source:
    facts = [hit.ip_address, hit.location, hit.client]
    return Source(
        ref=f"S{number}",
        kind="system",
        label=hit.hostname,
        title=hit.role or "system",
        text=", ".join(fact for fact in facts if fact),
        named=hit.matched,
        score=hit.score,
        synthetic=hit.attributes.get("source") == SYNTHETIC,
    )


def _suggestion(label: LabelSuggestion, findings: Findings, *, current: str | None) -> Suggestion:
    """A value for a field, unless no ticket that may be called similar has it."""
    votes, of = findings.votes(label.field, label.value)
    return Suggestion(field=label.field, value=label.value if votes else None, votes=votes, of=of, current=current)
