"""The parts of a notice by themselves: its words, its rules, whom a call concerns, and what a stored state means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.notices import ANN, BOB, Office, notice_states, running_office

from deskhand.approvals.models import NoticeState
from deskhand.approvals.notice_rows import WaitingCall
from deskhand.approvals.notices import MAIL, Notice, Recipient, first_notice_at, hand_over, settle, take
from deskhand.kit.db.session import Database, database_now
from deskhand.tenants.approval_rules import NoticeRules, approval_rules
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.notices import approving_members
from deskhand.work.notices import words
from deskhand.work.outside.chat import WITH_BUTTON

HERE = "https://desk.example.com"


def call(**columns: Any) -> WaitingCall:
    values: dict[str, Any] = {
        "id": UUID(int=7),
        "operation": "update_ticket",
        "risk": "medium",
        "approver": "operator",
        "digest": "0" * 64,
        "ticket_number": "1042",
        "agent_name": "First look",
        "agent_version": 3,
        "expires_at": datetime(2026, 11, 28, 20, 0, tzinfo=UTC),
        "run_status": "waiting",
    }
    return WaitingCall(**{**values, **columns})


def notice(*calls: WaitingCall, to: Recipient | None = None) -> Notice:
    tenant = TenantConfig(tenant_id="acme", name="Acme Corp", tool_type="jira")
    recipient = to or Recipient(MAIL, ANN, "operator", uuid4())
    tokens = {one.id: f"dha_{one.id.int}" for one in calls}
    return Notice(tenant=tenant, message_id=uuid4(), recipient=recipient, calls=calls, tokens=tokens)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("First look", "First look"),
        ("Nachtübersicht (IT) #2", "Nachtübersicht IT #2"),
        ("https://evil.example/a?b=c", "https evil example a b c"),
        ("mailto:eve@evil.example", "mailto eve evil example"),
        ("[Approve](javascript:alert)", "Approve javascript alert"),
        ("<a href=x>now</a>", "a href x now a"),
        ("one\r\nBcc: eve", "one Bcc eve"),
        ("two\u2028three\x00", "two three"),
        ("@channel <!here>", "channel here"),
        ("**bold** _line_", "bold _line_"),
        ("://", "…"),
        ("", "…"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_name_is_written_without_what_a_program_would_make_a_link_or_a_header_of(name: str, shown: str) -> None:
    assert words.plain(name) == shown
    assert words.plain(shown) == shown


def test_a_mail_says_of_each_call_what_it_is_and_where_it_is_answered() -> None:
    two = notice(call(), call(id=UUID(int=8), operation="send", ticket_number=None, risk="high", agent_name="Digest"))
    assert words.subject(two) == "2 calls wait for your approval (Acme Corp)"
    assert words.body(two, HERE).splitlines() == [
        "2 calls wait for an answer in Acme Corp.",
        "",
        "1. Update ticket on #1042, medium risk",
        "   First look, version 3, waits until 2026-11-28 20:00 UTC",
        f"   {HERE}/approvals/link?token=dha_7",
        "",
        "2. Send, high risk",
        "   Digest, version 3, waits until 2026-11-28 20:00 UTC",
        f"   {HERE}/approvals/link?token=dha_8",
        "",
        "Each link shows its call first, and then answers once, in your name: keep this mail to yourself.",
        "",
        f"All that waits for you: {HERE}/approvals",
    ]
    one = notice(call())
    assert words.subject(one) == "1 call waits for your approval (Acme Corp)"
    assert words.address(one, HERE) == f"{HERE}/approvals/acme/{UUID(int=7)}"
    assert words.address(two, HERE) == f"{HERE}/approvals"


def test_a_mail_about_more_than_anybody_reads_lists_the_first_and_counts_the_rest() -> None:
    many = notice(*(call(id=UUID(int=number)) for number in range(words.SHOWN + 3)))
    said = words.body(many, HERE)
    assert said.startswith(f"{words.SHOWN + 3} calls wait")
    assert said.count("/approvals/link?token=") == words.SHOWN
    assert "… and 3 more." in said
    assert said.endswith(f"All that waits for you: {HERE}/approvals\n")


@pytest.mark.parametrize("tool_id", ["slack", "teams"])
def test_a_channel_gets_one_button_of_ours_however_much_waits(tool_id: str) -> None:
    many = notice(*(call(id=UUID(int=number), agent_name="<b>@here</b>" * 9) for number in range(500)))
    said = words.message(many)
    assert said.endswith(f"… and {500 - words.SHOWN} more.")
    body = WITH_BUTTON[tool_id](said, label="Sign in and answer", url=f"{HERE}/approvals")
    raw = json.dumps(body)
    assert raw.count(HERE) == 1
    assert len(raw) < 28_000
    assert "@here" not in raw
    if tool_id == "slack":
        assert body["blocks"][-1]["text"]["text"] == f"<{HERE}/approvals|Sign in and answer>"
        assert len(body["blocks"]) <= 50
    else:
        [action] = body["attachments"][0]["content"]["actions"]
        assert action == {"type": "Action.OpenUrl", "title": "Sign in and answer", "url": f"{HERE}/approvals"}


@pytest.mark.parametrize(
    ("stored", "four_eyes", "mail"),
    [
        (None, False, []),
        ({}, False, []),
        ({"approvals": "yes"}, False, []),
        ({"approvals": {"four_eyes": True}}, True, []),
        ({"approvals": {"four_eyes": True, "quorum": 2}}, True, []),
        ({"approvals": {"four_eyes": "yes please"}}, False, []),
        ({"approvals": {"notices": {"mail": [ANN]}}}, False, [ANN]),
        ({"approvals": {"four_eyes": True, "notices": {"mail": ["?"]}}}, True, []),
    ],
)
def test_stored_rules_are_read_as_they_are_and_four_eyes_outlive_what_cannot_be_read(
    stored: dict[str, Any] | None, four_eyes: bool, mail: list[str]
) -> None:
    rules = approval_rules(stored)
    assert (rules.four_eyes, rules.notices.mail) == (four_eyes, mail)
    assert rules.notices.reach_somebody is bool(mail)


def test_rules_have_bounds() -> None:
    usual = NoticeRules()
    assert (usual.gather_seconds, usual.pause_minutes, usual.reach_somebody) == (60, 10, False)
    for wrong in (
        {"gather_seconds": 3_601},
        {"pause_minutes": 1_441},
        {"mail": [f"{number}@acme.example" for number in range(51)]},
        {"channels": [{"tool": "slack", "channel": "ops"}] * 11},
        {"channels": [{"tool": "slack", "channel": "https://hooks.example/x"}]},
        {"channels": [{"tool": "slack"}]},
    ):
        with pytest.raises(ValidationError):
            NoticeRules.model_validate(wrong)


@pytest.mark.parametrize(
    ("role", "approver", "concerned"),
    [
        ("operator", "operator", True),
        ("operator", "tenant_admin", False),
        ("tenant_admin", "operator", True),
        ("tenant_admin", "tenant_admin", True),
        (None, "tenant_admin", True),
    ],
)
def test_a_call_concerns_whoever_may_answer_it_and_every_channel(
    role: str | None, approver: str, concerned: bool
) -> None:
    recipient = Recipient("slack" if role is None else MAIL, "ops", role)
    assert recipient.is_told(call(approver=approver)) is concerned
    assert recipient.key == ("slack:ops" if role is None else "mail:ops")


@pytest.fixture
async def office(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Office]:
    rules: dict[str, Any] = {"mail": [ANN], "pause_minutes": 0}
    async with (
        running_api(database_urls.app_url) as api,
        running_office(api, database_urls.app_url, **rules) as running,
    ):
        yield running


STORED = {
    # What stands there, for how many minutes: what it is after a look, and whether that look takes it.
    ("begun", 1): ("begun", False),
    ("begun", 6): ("begun", True),
    ("handed", 1): ("handed", False),
    ("handed", 6): ("doubt", False),
    ("failed", 1): ("failed", False),
    ("failed", 11): ("begun", True),
    ("sent", 60): ("sent", False),
    ("doubt", 60): ("doubt", False),
}


async def test_what_stands_there_decides_whether_a_call_is_taken_once_more(office: Office) -> None:
    calls = {case: await office.call(str(number)) for number, case in enumerate(STORED)}
    put = text(
        "INSERT INTO approval_notices (tenant_id, approval_id, recipient, message_id, state, changed_at) VALUES"
        " ('acme', :id, :to, gen_random_uuid(), :state, now() - make_interval(mins => :minutes))"
    )
    async with office.api.db.tenant_session("acme") as session:
        for (state, minutes), one in calls.items():
            await session.execute(put, {"id": one, "to": f"mail:{ANN}", "state": state, "minutes": minutes})
    async with office.api.db.tenant_session("acme") as session:
        [taken] = await take(session, "acme")
    assert {one.id for one in taken.calls} == {calls[case] for case, (_, again) in STORED.items() if again}
    async with office.api.db.tenant_session("acme") as session:
        rows = await session.execute(text("SELECT approval_id, state FROM approval_notices"))
        states = {row.approval_id: row.state for row in rows}
        due = await session.execute(text("SELECT id FROM approvals WHERE notify_at IS NULL"))
        settled = {row.id for row in due}
    assert states == {calls[case]: state for case, (state, _) in STORED.items()}
    # Of what is settled nothing is asked any more; all else is looked at again.
    assert settled == {calls[case] for case, (state, _) in STORED.items() if state in ("sent", "doubt")}


async def test_a_worker_that_was_slow_sends_nothing_that_another_one_has_taken(office: Office) -> None:
    await office.call()
    db = office.api.db
    async with db.tenant_session("acme") as session:
        [slow] = await take(session, "acme")
        await session.execute(text("UPDATE approval_notices SET changed_at = now() - interval '6 minutes'"))
        await session.execute(text("UPDATE approvals SET notify_at = now()"))
    async with db.tenant_session("acme") as session:
        [quick] = await take(session, "acme")
    async with db.tenant_session("acme") as session:
        assert not await hand_over(session, slow)
        assert await hand_over(session, quick)
        assert not await hand_over(session, quick)
        await settle(session, slow, NoticeState.SENT)
        await settle(session, quick, NoticeState.SENT)
    log = (await office.admin.get("/api/v1/audit", params={"operation": "approval.notice"})).json()["items"]
    assert [entry["resource_id"] for entry in log] == [str(quick.message_id)]


async def test_members_are_those_who_may_answer_and_a_tenant_that_names_nobody_tells_nobody(office: Office) -> None:
    async with office.api.db.tenant_session("acme") as session:
        members = await approving_members(session)
        assert {address: one.role for address, one in members.items()} == {ANN: "operator", BOB: "tenant_admin"}
        first = await first_notice_at(session, "acme")
        assert first is not None
        assert first > await database_now(session)
    assert (await office.set_notices()).is_success
    async with office.api.db.tenant_session("acme") as session:
        assert await first_notice_at(session, "acme") is None


async def test_a_doubt_that_turns_out_to_be_a_yes_is_one_and_nothing_is_put_on_record_twice(office: Office) -> None:
    await office.call()
    db = office.api.db
    async with db.tenant_session("acme") as session:
        [one] = await take(session, "acme")
        assert await hand_over(session, one)
        for state in (NoticeState.DOUBT, NoticeState.DOUBT, NoticeState.FAILED, NoticeState.SENT, NoticeState.SENT):
            await settle(session, one, state)
    assert await notice_states(db, "acme") == ["sent"]
    log = (await office.admin.get("/api/v1/audit", params={"operation": "approval.notice"})).json()["items"]
    assert [entry["details"]["state"] for entry in reversed(log)] == ["doubt", "sent"]
    assert [entry["status"] for entry in reversed(log)] == ["failure", "success"]
    assert {entry["details"]["to"] for entry in log} == {f"mail:{ANN}"}
