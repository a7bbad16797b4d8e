"""What was done to a ticket, told in order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from deskhand.approvals.schemas import ApprovalView
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import RequesterAskedError
from deskhand.executions.tickets.schemas import NoteText, TicketDetail, TicketNote, TicketRun
from deskhand.intake.console.explanations import explain
from deskhand.ui.format import label

_MOST_CHARACTERS = 160
_ENDED = {
    ExecutionStatus.QUEUED: "waits in the queue",
    ExecutionStatus.RUNNING: "is at work",
    ExecutionStatus.WAITING: "waits",
    ExecutionStatus.COMPLETED: "ran to its end",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened.

    Attributes:
        kind: ``event``, ``run``, ``write``, ``asked`` or ``said``: how it is drawn.
        title: What happened, in a few words.
        text: More of it, as plain text; empty where the title says all.
        href: Where it is shown whole.
        state: Class of a badge, and its words; None where there is nothing to say beyond the title.
        rank: Orders what happened at one time.
    """

    at: datetime
    kind: str
    title: str
    text: str = ""
    href: str = ""
    run: TicketRun | None = None
    state: tuple[str, str] | None = None
    rank: int = 0


def tell(ticket: TicketDetail) -> list[Entry]:
    """Everything on one page of a ticket, oldest first."""
    entries = [
        *_deliveries(ticket),
        *_runs(ticket),
        *_notes(ticket),
        *_writes(ticket),
        *_questions(ticket),
        *(entry for one in ticket.approvals for entry in _approval(one)),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.rank))


def needs_somebody(run: TicketRun, ticket: TicketDetail) -> bool:
    """Whether a run failed or waits for one of our people, and no approval on the page says so already."""
    if run.status is ExecutionStatus.FAILED:
        return run.dismissed_at is None
    asked = any(one.execution_id == run.id and one.state == "waiting" for one in ticket.approvals)
    return run.status is ExecutionStatus.WAITING and run.error_code != RequesterAskedError.code and not asked


def _deliveries(ticket: TicketDetail) -> Iterator[Entry]:
    for one in ticket.deliveries:
        words = explain(one.outcome, one.reason, one.http_status)
        state = {"rejected": ("failed", "Refused"), "ignored": ("cancelled", "Started nothing")}.get(one.outcome.value)
        yield Entry(
            at=one.received_at,
            kind="event",
            title=f"The desk sent {one.event or 'an event'} to {one.agent_name}",
            text=(one.reason or words.title) if state else words.title,
            href=f"/deliveries?outcome={one.outcome.value}",
            state=state,
        )


def _runs(ticket: TicketDetail) -> Iterator[Entry]:
    for run in ticket.runs:
        verb = "undid what agents wrote" if run.mode == "undo" else _ENDED[run.status]
        by = run.undo.requested_by if run.undo else run.agent_name
        yield Entry(
            at=run.queued_at,
            kind="run",
            title=f"{by} {verb}" if run.mode == "undo" else f"{by} v{run.agent_version} {verb}",
            text=_about(run),
            href=f"/executions/{run.id}",
            run=run,
            state=(run.status.value, run.status.value.capitalize()),
            rank=1,
        )


def _about(run: TicketRun) -> str:
    """Why it wrote nothing, or why it does not go on; else nothing."""
    if run.undo is not None:
        return "; ".join(
            f"{', '.join(label(name) for name in one.operations)}: {'done' if one.done else one.why or 'left'}"
            for one in run.undo.items
        )
    if run.status in (ExecutionStatus.FAILED, ExecutionStatus.WAITING, ExecutionStatus.CANCELLED):
        return run.error_message or ""
    return run.why_nothing or ""


def _notes(ticket: TicketDetail) -> Iterator[Entry]:
    for place, note in enumerate(ticket.notes, start=1):
        for text in (*reversed(note.earlier), note.text):
            if text.at is None:
                continue
            yield Entry(
                at=text.at,
                kind="write",
                title=_wrote(note, text),
                # A line of plain text: what is set in bold there would only be stars.
                text=_short(text.markdown.replace("**", "")),
                href=f"#note-{place}",
                state=("in_doubt", "In doubt") if note.state == "in_doubt" and text is note.text else None,
                rank=3,
            )
            yield from _verdicts(text, place)


def _wrote(note: TicketNote, text: NoteText) -> str:
    is_first = text is (note.earlier[-1] if note.earlier else note.text)
    if not is_first:
        return f"{text.agent_name} wrote its note anew"
    return f"{text.agent_name} {'wrote to the requester' if note.audience == 'requester' else 'wrote a note'}"


def _verdicts(text: NoteText, place: int) -> Iterator[Entry]:
    for one in text.verdicts:
        thumb = "said it helped" if one.feedback_type == "thumbs_up" else "said it did not help"
        said = f"rated it {one.rating_value} of 5" if one.rating_value else thumb
        by = one.technician_email or "Whoever opened the note's link"
        yield Entry(
            at=one.created_at,
            kind="said",
            title=f"{by} {said}",
            text=_short(one.feedback_comment or ""),
            href=f"#note-{place}",
            rank=5,
        )


def _writes(ticket: TicketDetail) -> Iterator[Entry]:
    for one in ticket.writes:
        fields = ", ".join(label(change.field) for change in one.fields)
        yield Entry(
            at=one.at,
            kind="write",
            title=f"{one.agent_name}: {label(one.operation)}",
            text=fields,
            href="#changes",
            state=None if one.state == "finished" else ("in_doubt", "In doubt"),
            rank=3,
        )


def _questions(ticket: TicketDetail) -> Iterator[Entry]:
    for one in ticket.questions:
        if one.answered_at is None:
            continue
        yield Entry(
            at=one.answered_at,
            kind="said",
            title="The requester answered" if one.answer else "The requester did not answer",
            text=_short(" ".join(one.answer) or one.why or ""),
            href="#questions",
            rank=4,
        )


def _approval(one: ApprovalView) -> Iterator[Entry]:
    what = label(one.operation)
    yield Entry(
        at=one.created_at,
        kind="asked",
        title=f"{one.agent_name} asked before: {what}",
        text=_short(one.reason or ""),
        href="#approvals",
        state=("waiting", "Waiting") if one.state == "waiting" else None,
        rank=2,
    )
    if one.answered_at is not None:
        yield Entry(
            at=one.answered_at,
            kind="said",
            title=f"{one.answered_by} {'approved' if one.state in ('approved', 'void') else 'declined'}: {what}",
            text=_short(one.answer or ""),
            href="#approvals",
            rank=2,
        )


def _short(text: str) -> str:
    line = " ".join(text[: 4 * _MOST_CHARACTERS].split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS].rstrip()}…"
