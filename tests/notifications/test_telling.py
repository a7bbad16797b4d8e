"""People are told what happened: by cause, each once, not too often, and nothing is lost."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import text, update
from tests.conftest import DatabaseUrls
from tests.support.logins import open_pool
from tests.support.notices import ANN, BOB
from tests.support.told import BASE, Told, teller_of

from deskhand.access.models import User
from deskhand.kit.mail import MailInDoubtError
from deskhand.notifications import outbox
from deskhand.notifications.models import MessageState

CHANNELS = [{"tool": "slack", "channel": "ops"}, {"tool": "teams", "channel": "leads"}]


async def test_a_storm_is_one_mail_with_its_number_and_the_rest_of_it_another_an_hour_later(told: Told) -> None:
    await told.name(mail=[ANN.upper()])
    ids = await told.end(500)
    await told.end(agent="Reports.example", code=None)
    assert await told.look() == ["500 runs of Triage failed: desk-permission, and 1 more (Acme)"]
    mail, said = told.office.mailbox.mails[0], told.office.words()
    assert told.office.mailbox.envelopes[0].rcpt_tos == [ANN]
    # All ended in one moment, so which five come first is nobody's choice.
    assert re.search(r"Tickets: 1\d{3}(, 1\d{3}){4}, and others", said), said
    assert "1 run of Reports example failed" in said
    assert f"{BASE}/executions?status=failed" in said
    assert all(link.startswith(BASE) for link in re.findall(r"https?://\S+", said))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert told.stop_link().startswith(f"{BASE}/notifications/stop?token=acme.")

    (one,) = await told.end()
    assert len(await told.look(after=30)) == 1
    assert (await told.look(after=40))[1:] == ["1 run of Triage failed: desk-permission (Acme)"]
    assert f"{BASE}/executions/{one}" in told.office.words()
    assert len(await told.look(after=600)) == 2
    log = (await told.office.admin.get("/api/v1/audit", params={"operation": "notification.send"})).json()["items"]
    assert [entry["status"] for entry in log] == ["success"] * 2
    assert not {str(one) for one in ids} & set(re.findall(r"[0-9a-f-]{36}", told.office.words(0)))


async def test_channels_are_told_with_a_button_that_leads_to_signing_in(told: Told) -> None:
    assert (await told.name(channels=CHANNELS)).is_success
    (run,) = await told.end(status="waiting", code="in-doubt")
    await told.look()
    slack, teams = sorted(told.office.chats.posted, key=lambda one: one.channel)
    assert "1 write of Triage is in doubt" in slack.text
    assert slack.body["blocks"][-1]["text"]["text"] == f"<{BASE}/executions/{run}|Sign in and look>"
    assert teams.body["attachments"][0]["content"]["actions"][0]["url"] == f"{BASE}/executions/{run}"
    assert told.subjects() == []


async def test_without_a_mail_server_nothing_is_lost_and_the_page_says_why(told: Told) -> None:
    extras = {"email": told.office.mailbox.settings("example.org")}
    await told.office.admin.patch("/api/v1/tenants/acme", json={"connection_extras": {}})
    assert (await told.name(mail=[ANN])).is_success, "people may be named before there is a server"
    await told.end()
    await told.look()
    await told.end(3)
    await told.look()
    (message,) = await told.messages()
    assert (message.state, message.why, message.attempt) == ("open", outbox.NO_MAIL, 0)
    await told.office.admin.patch("/api/v1/tenants/acme", json={"connection_extras": extras})
    assert await told.look(after=15) == ["4 runs of Triage failed: desk-permission (Acme)"]
    assert (await told.messages())[0].state == "sent"


async def test_what_a_server_refuses_for_now_is_tried_again_and_what_it_refuses_for_good_is_said(told: Told) -> None:
    await told.name(mail=[ANN, BOB])
    told.office.mailbox.answers = ["451 later", "550 no such box"]
    await told.end()
    assert await told.look() == []
    by_state = {one.state: one for one in await told.messages()}
    assert set(by_state) == {"ready", "failed"}
    assert "550" in by_state["failed"].why
    assert "451" in by_state["ready"].why
    assert len(await told.look(after=5)) == 1
    failed = (await told.office.admin.get("/api/v1/notifications", params={"state": "failed"})).json()["items"]
    assert [(one["attempt"], one["lines"][0]["count"]) for one in failed] == [(1, 1)]
    again = f"/api/v1/notifications/{failed[0]['id']}/send"
    assert (await told.office.admin.post(again)).json()["state"] == "ready"
    assert (await told.office.admin.post(again)).status_code == 409
    assert len(await told.look()) == 2
    assert {one.state for one in await told.messages()} == {"sent"}
    assert (await told.office.admin.post(again)).status_code == 409


async def test_a_worker_that_died_before_it_handed_over_is_replaced_and_one_that_died_after_is_not(told: Told) -> None:
    await told.name(mail=[ANN])
    await told.end()
    await told.tick()
    async with told.api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE notifications SET due_at = now()"))
        (lost,) = await outbox.take(session, "acme", has_mail=lambda _tenant: True)
    assert await told.look(after=1) == []
    assert len(await told.look(after=5)) == 1
    async with told.api.db.tenant_session("acme") as session:
        assert not await outbox.hand_over(session, lost), "the dead one wakes up and finds it gone"
        await outbox.settle(session, lost, MessageState.FAILED, why="late")
    assert (await told.messages())[0].state == "sent"

    await told.end(code="other")
    await told.tick()
    async with told.api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE notifications SET due_at = now() WHERE state = 'open'"))
        (lost,) = await outbox.take(session, "acme", has_mail=lambda _tenant: True)
        assert await outbox.hand_over(session, lost)
    assert len(await told.look(after=6)) == 1
    second = (await told.messages())[1]
    assert (second.state, second.why) == ("doubt", outbox.DIED)
    async with told.api.db.tenant_session("acme") as session:
        await outbox.settle(session, lost, MessageState.SENT)
    assert (await told.messages())[1].state == "sent"


async def test_a_server_that_breaks_off_leaves_a_doubt_and_no_second_mail(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, on_handover, **__: object) -> None:
        await on_handover()
        raise MailInDoubtError("The mail server broke off while it took the message.")

    await told.name(mail=[ANN])
    await told.end()
    with monkeypatch.context() as patched:
        patched.setattr("deskhand.work.notices.courier.Mailer.send", broken)
        await told.look()
    assert await told.look(after=60) == []
    assert [(one.state, one.attempt) for one in await told.messages()] == [("doubt", 1)]


async def test_two_workers_that_look_at_once_send_one(told: Told, database_urls: DatabaseUrls) -> None:
    await told.name(mail=[ANN, BOB], gather_seconds=0, pause_minutes=0)
    await told.end(3)
    async with await open_pool(database_urls.app_url, min_size=1, max_size=2) as pool:
        second = teller_of(told.office, pool)
        for _ in range(3):
            await asyncio.gather(told.tick(), second.tick())
    assert sorted(one.rcpt_tos[0] for one in told.office.mailbox.envelopes) == [ANN, BOB]


async def test_a_desk_that_does_not_answer_is_told_of_once_three_runs_missed_it(told: Told) -> None:
    await told.name(mail=[ANN])
    await told.end(2, status="queued", code="desk-unavailable")
    assert await told.look() == []
    assert [open_ for _, _, open_ in await told.facts()] == [True, True]
    await told.end(1, status="queued", code="desk-unavailable")
    assert await told.look() == ["The desk servicedesk_plus did not answer 3 runs (Acme)"]
    await told.end(1, status="queued", code="model-timeout")
    assert len(await told.look(after=20)) == 1
    await told.tick()
    assert not any(open_ for _, _, open_ in await told.facts()), "one that stayed alone is forgotten"


async def test_whoever_left_before_it_left_is_not_written_to(told: Told) -> None:
    await told.name(mail=[ANN, BOB])
    await told.end()
    await told.tick()
    async with told.api.db.platform_session() as session:
        await session.execute(update(User).values(is_active=False).where(User.email == BOB))
    await told.look()
    assert [one.rcpt_tos for one in told.office.mailbox.envelopes] == [[ANN]]
    assert sorted(one.state for one in await told.messages()) == ["failed", "sent"]


async def test_a_call_is_not_told_twice_to_whom_a_notice_of_it_goes(told: Told) -> None:
    rules = {"approvals": {"notices": {"mail": [ANN]}}, "notifications": {"mail": [ANN, BOB]}}
    await told.office.admin.patch("/api/v1/tenants/acme", json={"enhancement_preferences": rules})
    await told.office.call()
    await told.look()
    assert [one.rcpt_tos for one in told.office.mailbox.envelopes] == [[BOB]]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"mail": ["eve@acme.example"]}, "no active member"),
        ({"channels": [{"tool": "slack", "channel": "nowhere"}]}, "no slack channel 'nowhere'"),
        ({"digest_timezone": "Mars/Olympus"}, "IANA time zone"),
    ],
)
async def test_who_cannot_be_told_is_refused_when_named(told: Told, rules: dict[str, object], says: str) -> None:
    answer = await told.name(**rules)
    assert answer.status_code == 422
    assert says in answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/enhancement_preferences/notifications/")
