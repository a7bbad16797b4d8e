"""What a note did on a ticket, judged from what the desk showed before it and after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import NoteEffect, Person, SentMail, Standing, Ticket, WriteReceipt
from deskhand.tenants.note_trials.schemas import NoteFinding, Verdict

TITLES: Mapping[NoteEffect, str] = {
    NoteEffect.VISIBILITY: "Who sees the note",
    NoteEffect.MAIL: "Mails about it",
    NoteEffect.FIRST_RESPONSE: "First response",
    NoteEffect.STATUS: "Status",
    NoteEffect.ASSIGNEE: "Assignee",
    NoteEffect.CLOCKS: "SLA clocks",
}
_ORDER = (Verdict.REFUSED, Verdict.WARNING)
NOT_TOLD = "This desk does not tell."
NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A ticket at one moment, as it is stored: of people no addresses, for it outlives the ticket.

    Attributes:
        status: The desk's word.
        assignee: Who has it, by name.
        first_response: As in ``Standing``.
        clocks: As in ``Standing``.
        mails: Ids of what was sent.
    """

    status: str
    assignee: str
    first_response: str | None
    clocks: Mapping[str, str] | None
    mails: Sequence[str] | None

    @classmethod
    def of(cls, ticket: Ticket, standing: Standing) -> Look:
        """What is kept of a ticket."""
        return cls(
            status=ticket.status or "",
            assignee=_name(ticket.assignee),
            first_response=standing.first_response,
            clocks=None if standing.clocks is None else dict(standing.clocks),
            mails=None if standing.mails is None else [mail.id for mail in standing.mails],
        )

    @classmethod
    def stored(cls, kept: Mapping[str, Any]) -> Look:
        """One that was stored."""
        return cls(**kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of the write, and what the desk shows afterwards."""

    receipt: WriteReceipt
    ticket: Ticket
    standing: Standing

    @property
    def public(self) -> bool | None:
        """Whether the requester sees the note; the note itself counts before the answer to the write."""
        mark, ident = self.receipt.mark, self.receipt.id
        shown = [note for note in self.ticket.notes if note.id == ident or (mark and mark in find_marks(note.body))]
        return shown[0].public if shown else self.receipt.public


def judge(before: Look, written: Written, settings: Mapping[NoteEffect, str]) -> list[NoteFinding]:
    """Each effect in its order, the desk's setting beside those that are there.

    Args:
        before: The ticket before the note.
        written: The note, and the ticket after it.
        settings: Where an administrator of that desk changes what.
    """
    after = Look.of(written.ticket, written.standing)
    found = [
        _visibility(written.public),
        _mails(before, written.standing.mails, written.ticket.requester),
        _first_response(before, after),
        _field(NoteEffect.STATUS, before.status, after.status),
        _field(NoteEffect.ASSIGNEE, before.assignee, after.assignee),
        _clocks(before.clocks, after.clocks),
    ]
    return [_with_setting(one, settings) for one in found]


def worst(findings: Iterable[NoteFinding]) -> Verdict:
    """The verdict of the whole; what the desk does not tell speaks neither for it nor against it."""
    there = {one.verdict for one in findings}
    return next((verdict for verdict in _ORDER if verdict in there), Verdict.OK)


def _with_setting(finding: NoteFinding, settings: Mapping[NoteEffect, str]) -> NoteFinding:
    needs = finding.verdict in _ORDER
    return finding.model_copy(update={"setting": settings.get(finding.effect)}) if needs else finding


def _finding(
    effect: NoteEffect, verdict: Verdict, detail: str, *, before: str | None = None, after: str | None = None
) -> NoteFinding:
    return NoteFinding(effect=effect, title=TITLES[effect], verdict=verdict, detail=detail, before=before, after=after)


def _visibility(public: bool | None) -> NoteFinding:
    effect, meant = NoteEffect.VISIBILITY, "internal"
    if public is None:
        detail = "The desk does not show the note to our account, so nobody can say who else sees it."
        return _finding(effect, Verdict.WARNING, detail, before=meant)
    if public:
        detail = "The desk shows our internal note to the requester."
        return _finding(effect, Verdict.REFUSED, detail, before=meant, after="public")
    return _finding(effect, Verdict.OK, "Technicians alone see it.", before=meant, after=meant)


def _mails(before: Look, mails: Sequence[SentMail] | None, requester: Person | None) -> NoteFinding:
    effect = NoteEffect.MAIL
    if before.mails is None or mails is None:
        return _finding(effect, Verdict.UNTOLD, NOT_TOLD)
    sent = [mail for mail in mails if mail.id not in set(before.mails)]
    if not sent:
        return _finding(effect, Verdict.OK, "None was sent.", before="0", after="0")
    rules = ", ".join(sorted({f"“{mail.rule}”" for mail in sent if mail.rule}))
    by = f" ({rules})" if rules else ""
    if any(_is_to(mail, requester) for mail in sent):
        return _finding(effect, Verdict.REFUSED, f"The requester was mailed{by}.", before="0", after=str(len(sent)))
    detail = f"Somebody other than the requester was mailed{by}; see to it that these are technicians."
    return _finding(effect, Verdict.WARNING, detail, before="0", after=str(len(sent)))


def _is_to(mail: SentMail, requester: Person | None) -> bool:
    if requester is None:
        return False
    known = {str(one).casefold() for one in (requester.email, requester.id) if one}
    return any(address.casefold() in known for address in mail.to)


def _first_response(before: Look, after: Look) -> NoteFinding:
    effect, then, now = NoteEffect.FIRST_RESPONSE, before.first_response, after.first_response
    if then is None or now is None:
        return _finding(effect, Verdict.UNTOLD, NOT_TOLD)
    if then:
        detail = "The requester was answered before the note, so this ticket shows nothing of it; try a new one."
        return _finding(effect, Verdict.UNTOLD, detail, before=then, after=now)
    if now:
        detail = "The note counts as the first response: the desk takes the requester for answered."
        return _finding(effect, Verdict.WARNING, detail, before="not yet", after=now)
    return _finding(
        effect, Verdict.OK, "The requester still counts as not answered.", before="not yet", after="not yet"
    )


def _field(effect: NoteEffect, then: str, now: str) -> NoteFinding:
    if then == now:
        return _finding(effect, Verdict.OK, "As it was.", before=then, after=now)
    return _finding(effect, Verdict.WARNING, f"It changed with the note: {then} → {now}.", before=then, after=now)


def _clocks(then: Mapping[str, str] | None, now: Mapping[str, str] | None) -> NoteFinding:
    effect = NoteEffect.CLOCKS
    if then is None or now is None:
        return _finding(effect, Verdict.UNTOLD, NOT_TOLD)
    if not then and not now:
        return _finding(effect, Verdict.UNTOLD, "No target counts on this ticket; try one that has targets.")
    before, after = _in_words(then), _in_words(now)
    moved = [f"{name}: {then.get(name, 'none')} → {state}" for name, state in now.items() if then.get(name) != state]
    moved += [f"{name}: {state} → gone" for name, state in then.items() if name not in now]
    if moved:
        return _finding(
            effect, Verdict.WARNING, f"The note moved them: {'; '.join(moved)}.", before=before, after=after
        )
    return _finding(effect, Verdict.OK, "They run as before.", before=before, after=after)


def _in_words(clocks: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in sorted(clocks.items())) or "none"


def _name(person: Person | None) -> str:
    return NOBODY if person is None else person.name or person.account or person.id or "somebody"
