"""What journaled writes made of a ticket: its notes as they stand, its fields, the questions to its requester. Pure.

A desk shows what is there now; the journal has how it came to be. A note is followed from the write that made it over
those that wrote it anew to the undo that took it back: by its id at the desk, and undos by the writes they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from deskhand.approvals.differences import differences
from deskhand.approvals.schemas import DifferenceView
from deskhand.engine.status import StepState
from deskhand.executions.redaction import redact
from deskhand.executions.tickets.schemas import NoteText, TicketNote, TicketQuestion, TicketWrite
from deskhand.knowledge.verdicts.schemas import VerdictView

ASKED, AWAITED = "ask_requester", "await_requester"
READ_BY_REQUESTER = frozenset({"reply", ASKED})
NEW_NOTES = READ_BY_REQUESTER | {"add_note"}
REWRITTEN = "update_note"
TAKEN_BACK = {"withdraw_note": "withdrawn", "correct_note": "corrected"}
GIVEN_BACK = "restore_note"
ABOUT_NOTES = NEW_NOTES | {REWRITTEN, *TAKEN_BACK, GIVEN_BACK}
_NO_FIELDS = frozenset({"target", "ticket_id", "undoes", "fields", "public", "note_id", "before"})
"""Members of a write's trace that say where it goes, and not what it changes."""

Verdicts = Mapping[UUID, Sequence[VerdictView]]


@dataclass(slots=True)
class _Note:
    """A note as it is followed; ``texts`` oldest first."""

    note_id: str | None
    step_key: str
    is_public: bool
    texts: list[NoteText]
    state: str = "there"
    keys: list[str] = field(default_factory=list)


def read_notes(steps: Sequence[RowMapping], verdicts: Verdicts) -> list[TicketNote]:
    """The notes that some writes made, as they stand after all of them, newest first.

    Args:
        steps: Oldest first.
        verdicts: By run; a run that is not there wrote nothing that can be judged.
    """
    notes: list[_Note] = []
    for step in steps:
        if step["name"] in NEW_NOTES and step["kind"] == "write":
            notes.append(_new(step, _text(step, _said(step, "body"), verdicts)))
        elif step["name"] == REWRITTEN:
            _rewrite(notes, step, verdicts)
        elif step["name"] in TAKEN_BACK and _was_done(step):
            for note in _undone_by(step, notes):
                note.state = TAKEN_BACK[step["name"]]
        elif step["name"] == GIVEN_BACK and _was_done(step):
            for note in _undone_by(step, notes):
                _give_back(note, step, verdicts)
    return [_finished(note) for note in reversed(notes)]


def read_writes(steps: Iterable[RowMapping]) -> list[TicketWrite]:
    """Writes that are no notes, newest first, each with its fields before and after as far as the desk told."""
    writes = []
    for step in steps:
        if step["kind"] != "write" or step["name"] in ABOUT_NOTES or not _was_done(step):
            continue
        changes = _members(step["output"]).get("changes") or []
        fields = [_receipt_field(one) for one in changes] if changes else _meant_fields(step)
        writes.append(
            TicketWrite(
                execution_id=step["execution_id"],
                step_key=step["step_key"],
                operation=step["name"],
                agent_name=step["agent_name"],
                at=_at(step),
                state=step["state"],
                knows_before=bool(changes),
                fields=fields,
            )
        )
    return writes[::-1]


def read_questions(steps: Iterable[RowMapping]) -> list[TicketQuestion]:
    """Questions to the requester, newest first."""
    asked = {(step["execution_id"], step["step_key"]): step for step in steps}
    questions = []
    for (run, key), step in asked.items():
        question = asked.get((run, key.removeprefix(f"{AWAITED}:")))
        if step["name"] != AWAITED or question is None or question is step:
            continue
        said, answer = _members(step["input"]), _members(step["output"])
        is_over = step["state"] == StepState.FINISHED
        replies = [one.get("body") for one in answer.get("answer") or [] if isinstance(one, dict)]
        questions.append(
            TicketQuestion(
                execution_id=run,
                agent_name=step["agent_name"],
                question=str(redact(said.get("question") or "")),
                round=int(said.get("round") or 1),
                asked_at=question["started_at"],
                until=said["until"],
                answered_at=step["finished_at"] if is_over else None,
                answer=[str(redact(reply)) for reply in replies if reply],
                why=redact(answer.get("why") or answer.get("over")),
            )
        )
    return questions[::-1]


def _new(step: RowMapping, text: NoteText) -> _Note:
    return _Note(
        note_id=_note_id(step),
        step_key=step["step_key"],
        is_public=step["name"] in READ_BY_REQUESTER or _said(step, "public") is True,
        texts=[text],
        state="there" if step["state"] == StepState.FINISHED else "in_doubt",
        keys=[_key(step)],
    )


def _rewrite(notes: list[_Note], step: RowMapping, verdicts: Verdicts) -> None:
    note_id = _said(step, "note_id")
    note = next((one for one in notes if one.note_id == note_id), None)
    if note is None:
        # The run that wrote it first is not among those shown, and the rewriting knows what it said.
        before = NoteText(
            markdown=_shown(_said(step, "before")), execution_id=None, agent_name=None, at=None, verdicts=[],
            can_judge=False,
        )  # fmt: skip
        note = _Note(note_id=note_id, step_key=step["step_key"], is_public=False, texts=[before])
        notes.append(note)
    # What nobody can say was written stays beside the note; it does not replace what surely stands there.
    if step["state"] == StepState.FINISHED:
        note.texts.append(_text(step, _said(step, "body"), verdicts))
        note.step_key = step["step_key"]
        note.keys.append(_key(step))
    else:
        note.state = "in_doubt"


def _give_back(note: _Note, step: RowMapping, verdicts: Verdicts) -> None:
    undone = set(_said(step, "undoes") or ())
    # The text before the first that was taken back is what the undo wrote.
    first = min((place for place, key in enumerate(note.keys) if key in undone), default=0)
    place = len(note.texts) - len(note.keys) + first - 1
    if place >= 0:
        note.texts.append(_text(step, note.texts[place].markdown, verdicts))
        note.keys.append(_key(step))


def _undone_by(step: RowMapping, notes: Iterable[_Note]) -> list[_Note]:
    undone = set(_said(step, "undoes") or ())
    return [note for note in notes if undone & set(note.keys)]


def _finished(note: _Note) -> TicketNote:
    *earlier, text = note.texts
    return TicketNote.model_validate(
        {
            "note_id": note.note_id,
            "audience": "requester" if note.is_public else "technicians",
            "state": note.state,
            "text": text,
            "earlier": earlier[::-1],
            "step_key": note.step_key,
        }
    )


def _text(step: RowMapping, markdown: Any, verdicts: Verdicts) -> NoteText:
    run = step["execution_id"]
    # A question or reply beside the run's note is not what its verdicts are about.
    can_judge = run in verdicts and step["name"] in ("add_note", REWRITTEN)
    return NoteText(
        markdown=_shown(markdown),
        execution_id=run,
        agent_name=step["agent_name"],
        at=_at(step),
        verdicts=list(verdicts[run]) if can_judge else [],
        can_judge=can_judge,
    )


def _receipt_field(change: Mapping[str, Any]) -> DifferenceView:
    before, after = (change.get(f"{side}_text") or _plain(change.get(side)) for side in ("before", "after"))
    return DifferenceView(field=str(change.get("field")), before=redact(before) or None, after=redact(after) or None)


def _meant_fields(step: RowMapping) -> list[DifferenceView]:
    """What a write was to set, where the desk's answer does not say what it changed."""
    trace = {name: value for name, value in _members(step["input"]).items() if name not in _NO_FIELDS}
    found = [one for one in differences(step["name"], trace, None) if one.after]
    if found:
        return [DifferenceView(field=one.field, before=None, after=redact(one.after)) for one in found]
    return [DifferenceView(field=name, before=None, after=redact(_plain(value))) for name, value in trace.items()]


def _plain(value: Any) -> str | list[str] | None:
    if isinstance(value, list):
        return [str(_plain(one) or "") for one in value]
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items() if one not in (None, ""))
    return None if value in (None, "") else str(value)


def _was_done(step: RowMapping) -> bool:
    """False of an undo's write that the desk refused: its step has ended, and nothing was changed."""
    return "refused" not in _members(step["output"])


def _note_id(step: RowMapping) -> str | None:
    told = _members(step["output"]).get("id")
    return str(told) if told else None


def _key(step: RowMapping) -> str:
    return f"{step['execution_id']}/{step['step_key']}"


def _at(step: RowMapping) -> datetime:
    at: datetime = step["finished_at"] or step["started_at"]
    return at


def _said(step: RowMapping, name: str) -> Any:
    return _members(step["input"]).get(name)


def _shown(markdown: Any) -> str:
    return str(redact(markdown)) if isinstance(markdown, str) else ""


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
