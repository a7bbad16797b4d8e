"""What is made of what a desk showed before a note and after it, and what a stored trial means for agents."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.contract import Note, NoteEffect, Person, SentMail, Standing, Ticket, WriteReceipt
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.endpoints import PATH
from deskhand.tenants.note_trials.judging import Look, Written, judge, worst
from deskhand.tenants.note_trials.rules import last_trial, why_refused
from deskhand.tenants.note_trials.schemas import NoteTrialResponse, TrialState, Verdict
from deskhand.tenants.note_trials.service import LEASE, newest_trial

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
MARK = "dh-0123456789abcdef0123"
ALICE = Person(id="7", name="Alice", email="Alice@Acme.test")
TICKET = Ticket(tool_type="zendesk", id="1", display_id="1", subject="VPN", status="open", requester=ALICE)
TOLD = Standing(first_response="", clocks={"Resolution": "running"}, mails=(SentMail(id="1"),))
RECEIPT = WriteReceipt(id="9", ticket_id="1", mark=MARK, public=False)
SETTINGS = {effect: f"Change {effect}." for effect in NoteEffect}


def note(ident: str = "9", body: str = "x", *, public: bool = False) -> Note:
    return Note(id=ident, body=body, public=public, author=Person(id="5"))


def found(
    after: Standing = TOLD, *, before: Standing = TOLD, notes: tuple[Note, ...] = (note(),), **fields: Any
) -> dict[str, Any]:
    """Verdict and detail of each effect that is not as it should be."""
    receipt = fields.pop("receipt", RECEIPT)
    written = Written(receipt=receipt, ticket=replace(TICKET, notes=notes, **fields), standing=after)
    kept = Look.stored(asdict(Look.of(TICKET, before)))
    judged = judge(kept, written, SETTINGS)
    assert [one.effect for one in judged] == list(NoteEffect)
    for one in judged:
        assert one.setting == (SETTINGS[one.effect] if one.verdict in ("warning", "refused") else None)
    return {one.effect.value: (one.verdict.value, one.detail) for one in judged if one.verdict is not Verdict.OK}


def mailed(*to: str, rule: str = "") -> Standing:
    return replace(TOLD, mails=(*(TOLD.mails or ()), SentMail(id="2", to=to, rule=rule)))


def test_where_nothing_moved_nothing_is_found() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("notes", "receipt", "verdict"),
    [
        ((note(public=True),), RECEIPT, "refused"),
        # The note itself is believed, and not the answer to its write.
        ((note(),), replace(RECEIPT, public=True), None),
        ((note("other", f"x Ref: {MARK}", public=True),), RECEIPT, "refused"),
        ((note("other", public=True),), RECEIPT, None),
        ((), replace(RECEIPT, public=True), "refused"),
        ((), replace(RECEIPT, public=None), "warning"),
    ],
)
def test_who_sees_it(notes: tuple[Note, ...], receipt: WriteReceipt, verdict: str | None) -> None:
    assert found(notes=notes, receipt=receipt).get("visibility", (None,))[0] == verdict


@pytest.mark.parametrize(
    ("after", "verdict", "words"),
    [
        (mailed("alice@acme.test", rule="Notify all"), "refused", "The requester was mailed (“Notify all”)."),
        (mailed("7"), "refused", "The requester was mailed."),
        (mailed("bob@acme.test"), "warning", "Somebody other than the requester was mailed;"),
        (replace(TOLD, mails=None), "untold", "This desk does not tell."),
    ],
)
def test_mails(after: Standing, verdict: str, words: str) -> None:
    ((effect, (what, detail)),) = found(after).items()
    assert (effect, what, detail[: len(words)]) == ("mail", verdict, words)
    assert "@" not in detail, "of people no addresses are kept"


def test_a_requester_whom_the_desk_does_not_name_is_nobody() -> None:
    assert found(mailed("alice@acme.test"), requester=None)["mail"][0] == "warning"


def test_fields_answers_and_clocks() -> None:
    assert found(status="pending") == {"status": ("warning", "It changed with the note: open → pending.")}
    assert found(assignee=Person(id="5", name="Deskhand"))["assignee"][1].endswith("nobody → Deskhand.")
    assert found(assignee=Person(account="bot"))["assignee"][1].endswith("nobody → bot.")
    moved = replace(TOLD, first_response="now", clocks={"Resolution": "paused", "Response": "running"})
    assert {effect: one[0] for effect, one in found(moved).items()} == {
        "first_response": "warning",
        "clocks": "warning",
    }
    assert "Resolution: running → paused; Response: none → running" in found(moved)["clocks"][1]
    assert "Resolution: running → gone" in found(replace(TOLD, clocks={}))["clocks"][1]
    answered = replace(TOLD, first_response="before")
    assert found(answered, before=answered)["first_response"][0] == "untold"
    silent = Standing(mails=())
    nothing = {"mail", "first_response", "clocks"}
    assert {effect for effect, one in found(silent, before=silent).items() if one[0] == "untold"} == nothing - {"mail"}
    no_targets = replace(TOLD, clocks={})
    assert found(no_targets, before=no_targets)["clocks"][0] == "untold"


def trial(*verdicts: Verdict) -> dict[str, Any]:
    findings = [
        {"effect": "mail", "title": "Mails", "verdict": one, "detail": "The requester was mailed.", "setting": "There."}
        for one in verdicts
    ]
    body = {"tool_type": "zendesk", "state": "done", "ticket": "1", "key": "k" * 8, "tried_at": NOW, "tried_by": "boss"}
    made = NoteTrialResponse.model_validate({**body, "findings": findings})
    return made.model_copy(update={"verdict": worst(made.findings)}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((), Verdict.OK),
        ((Verdict.OK, Verdict.UNTOLD), Verdict.OK),
        ((Verdict.UNTOLD, Verdict.WARNING), Verdict.WARNING),
        ((Verdict.WARNING, Verdict.REFUSED), Verdict.REFUSED),
    ],
)
def test_the_worst_decides_and_only_a_refusal_keeps_agents_off(verdicts: tuple[Verdict, ...], whole: Verdict) -> None:
    tenant = TenantConfig(tenant_id="acme", note_trials={"zendesk": {"done": {"result": trial(*verdicts)}}})
    last = last_trial(tenant, "zendesk")
    assert last is not None
    assert last.verdict is whole
    why = why_refused(tenant, "zendesk", "Zendesk")
    if whole is not Verdict.REFUSED:
        assert why is None
    else:
        assert why == "The trial of a note on Zendesk was refused: The requester was mailed. To change: There."
    assert (last_trial(tenant, "jira"), why_refused(tenant, "jira", "Jira")) == (None, None)


def test_what_was_tried_stays_in_force_while_another_trial_is_under_way() -> None:
    begun = {"key": "k" * 8, "ticket": "2", "ticket_id": "2", "by": "boss", "mark": MARK, "detail": "", "before": {}}
    parts = {"done": {"result": trial(Verdict.REFUSED)}, "begun": {**begun, "until": (NOW + LEASE).isoformat()}}
    tenant = TenantConfig(tenant_id="acme", note_trials={"zendesk": parts})
    assert why_refused(tenant, "zendesk", "Zendesk") is not None
    running, over = newest_trial(tenant, "zendesk", NOW), newest_trial(tenant, "zendesk", NOW + LEASE)
    assert running is not None
    assert over is not None
    assert (running.state, running.ticket, running.tried_at) == (TrialState.RUNNING, "2", NOW)
    assert (over.state, over.detail) == (
        TrialState.BROKEN,
        "The process that tried it ended before it had read what the note did.",
    )
    assert PATH.endswith("/connections/{tool_type}/note-trial")
