"""People are told that calls wait: grouped, not too often, each once, and nothing that a stranger wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import delete, update
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.approvals import asking, parked
from tests.support.logins import open_pool
from tests.support.mail import running_mailbox
from tests.support.notices import ANN, BOB, Office, notice_states, running_office
from tests.support.people import account
from tests.support.product import Product

from deskhand.access.models import Membership, User
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.words import plain
from deskhand.work.notices.sending import Notifier
from deskhand.work.notices.words import SHOWN

CHANNELS = [{"tool": "slack", "channel": "ops"}, {"tool": "teams", "channel": "leads"}]


@pytest.fixture
async def office(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Office]:
    async with running_api(database_urls.app_url) as api, running_office(api, database_urls.app_url) as running:
        yield running


async def test_one_notice_tells_all_that_waits_and_the_next_one_comes_after_a_pause(office: Office) -> None:
    await office.set_notices(mail=[ANN.upper()], channels=CHANNELS, pause_minutes=10)
    for number in ("1042", "1043", "1044"):
        await office.call(number)
    assert await office.look() == ["3 calls wait for your approval (Acme)"]
    assert office.mailbox.envelopes[0].rcpt_tos == [ANN]
    links = office.links()
    assert links[-1] == f"{office.api.url}/approvals"
    assert len({link for link in links if "/approvals/link?token=dha_" in link}) == len(links) - 1 == 3
    assert sorted(one.channel for one in office.chats.posted) == ["slack:ops", "teams:leads"]
    assert all("3 calls wait" in one.text for one in office.chats.posted)

    # What comes within the pause waits for its end, and is told together.
    for number in ("1045", "1046"):
        await office.call(number)
    assert len(await office.look()) == 1
    assert len(await office.look(after=5)) == 1
    assert await office.look(after=6) == [
        *["3 calls wait for your approval (Acme)"],
        "2 calls wait for your approval (Acme)",
    ]
    assert all(f"#{number}, low risk" in office.words() for number in ("1045", "1046"))
    assert not set(links[:-1]) & set(office.links())
    assert len(await office.look(after=60)) == 2
    assert set(await notice_states(office.api.db, "acme")) == {"sent"}
    assert len(office.chats.posted) == 4


async def test_a_notice_holds_nothing_that_a_requester_or_a_model_wrote(office: Office) -> None:
    await office.set_notices(mail=[ANN], channels=CHANNELS)
    await office.call("https://evil.example/1042", reason="Call https://evil.example now.", risk="high")
    await office.look()
    said = [office.words(), *(str(one.body) for one in office.chats.posted)]
    for words in said:
        assert "1042, high risk" in words
        assert "Update ticket" in words
        assert "Triage notes, version 1" in words
        for secret in ("Payroll", "evil.example", "now.", "priority"):
            assert secret not in words, secret
    # Each leads to our own pages alone.
    assert all(link.startswith(office.api.url) for link in office.links())
    slack, teams = sorted((one.body for one in office.chats.posted), key=lambda body: "blocks" not in body)
    assert slack["blocks"][-1]["text"]["text"].startswith(f"<{office.api.url}/approvals/acme/")
    assert teams["attachments"][0]["content"]["actions"][0]["url"].startswith(f"{office.api.url}/approvals/acme/")
    assert office.mailbox.mails[0]["Auto-Submitted"] == "auto-generated"
    assert plain("a\r\nBcc: x@y.example <b>[z](http://q)") == "a Bcc x y example b z http q"


async def test_each_person_is_told_what_that_person_may_answer_and_nobody_who_lost_the_role(office: Office) -> None:
    await office.set_notices(mail=[ANN, BOB], pause_minutes=0)
    await office.call("1042", approver="tenant_admin")
    await office.look()
    assert [one.rcpt_tos for one in office.mailbox.envelopes] == [[BOB]]
    async with office.api.db.platform_session() as session:
        await session.execute(update(Membership).values(role="viewer").where(Membership.role == "operator"))
        await session.execute(update(User).values(is_active=False).where(User.email == BOB))
    await office.call("1043")
    await office.look()
    assert len(office.mailbox.mails) == 1


async def test_a_run_that_does_not_wait_or_does_no_more_is_not_told_of(office: Office) -> None:
    await office.set_notices(mail=[ANN])
    for status in ("running", "cancelled"):
        await office.call(status, run_status=status)
    await office.call("answered", state="declined")
    assert await office.look() == []
    assert await notice_states(office.api.db, "acme") == []
    many = [await office.call(str(number)) for number in range(SHOWN + 2)]
    assert await office.look() == [f"{len(many)} calls wait for your approval (Acme)"]
    assert "… and 2 more." in office.words()
    assert await notice_states(office.api.db, "acme") == ["sent"] * len(many)


async def test_what_a_server_refused_is_sent_later_and_put_on_record(office: Office) -> None:
    await office.set_notices(mail=[ANN, BOB], channels=CHANNELS[:1])
    office.mailbox.answers = ["451 later", "550 no"]
    await office.call()
    assert await office.look() == []
    assert sorted(await notice_states(office.api.db, "acme")) == ["failed", "failed", "sent"]
    assert await office.look(after=6) == []
    assert len(await office.look(after=6)) == 2
    assert len(office.chats.posted) == 1
    log = (await office.admin.get("/api/v1/audit", params={"operation": "approval.notice"})).json()["items"]
    assert sorted(entry["status"] for entry in log) == ["failure", "failure", *["success"] * 3]
    assert {entry["actor"] for entry in log} == {"deskhand"}


async def test_a_channel_or_a_mail_that_is_gone_fails_by_itself_and_nobody_else(office: Office) -> None:
    await office.set_notices(mail=[ANN], channels=CHANNELS[:1])
    extras = {"connection_extras": {"email": office.mailbox.settings("example.org")}}
    assert (await office.admin.patch("/api/v1/tenants/acme", json=extras)).is_success
    await office.call()
    assert len(await office.look()) == 1
    assert await notice_states(office.api.db, "acme") == ["sent", "failed"]


async def test_two_workers_that_look_at_once_send_one(office: Office, database_urls: DatabaseUrls) -> None:
    await office.set_notices(mail=[ANN, BOB], pause_minutes=0)
    for number in ("1042", "1043"):
        await office.call(number)
    secrets, http = office.api.state.secrets, HttpClientFactory(allow_private=True)
    async with await open_pool(database_urls.app_url, min_size=1, max_size=2) as pool:
        second = Notifier(pool, office.api.db, secrets, http, public_url=office.api.url)
        for _ in range(3):
            await asyncio.gather(office.notifier.tick(), second.tick())
    assert sorted(one.rcpt_tos[0] for one in office.mailbox.envelopes) == [ANN, BOB]


@pytest.mark.parametrize(
    ("rules", "pointer", "says"),
    [
        ({"mail": ["eve@acme.example"]}, "mail/0", "is no active member with the role operator"),
        ({"mail": ["vic@acme.example"]}, "mail/0", "is no active member with the role operator"),
        ({"mail": ["gil@globex.example"]}, "mail/0", "is no active member with the role operator"),
        ({"channels": [{"tool": "slack", "channel": "oops"}]}, "channels/0", "no slack channel 'oops'"),
        ({"mail": ["nobody"]}, "mail/0", ""),
        ({"pause_minutes": -1}, "pause_minutes", ""),
        ({"channels": [{"tool": "irc", "channel": "ops"}]}, "channels/0/tool", ""),
        ({"emails": [ANN]}, "emails", ""),
    ],
)
async def test_only_members_who_may_answer_and_channels_that_there_are_can_be_named(
    office: Office, rules: dict[str, Any], pointer: str, says: str
) -> None:
    await office.api.tenant("globex")
    await account(office.api, "vic@acme.example", acme="viewer")
    await account(office.api, "gil@globex.example", globex="tenant_admin")
    refused = await office.set_notices(**rules)
    assert refused.status_code == 422, refused.text
    faults = refused.json()["errors"]
    assert [fault["pointer"] for fault in faults] == [f"/enhancement_preferences/approvals/notices/{pointer}"]
    assert says in faults[0]["detail"]


async def test_notices_need_the_tenants_mail_and_are_left_alone_by_other_changes(office: Office) -> None:
    assert (await office.set_notices(mail=[ANN])).is_success
    async with office.api.db.platform_session() as session:
        await session.execute(delete(Membership).where(Membership.role == "operator"))
    # Who left since is no reason to refuse a change of something else.
    assert (await office.admin.patch("/api/v1/tenants/acme", json={"name": "Acme Ltd"})).is_success
    gone = await office.admin.patch("/api/v1/tenants/acme", json={"connection_extras": None})
    assert gone.is_success, gone.text
    refused = await office.set_notices(mail=[BOB])
    assert (refused.status_code, "set `email` in `connection_extras` first" in refused.text) == (422, True)


async def member(db: Database, email: str) -> None:
    async with db.platform_session() as session:
        user = User(email=email)
        session.add(user)
        await session.flush()
        session.add(Membership(tenant_id="acme", user_id=user.id, role="operator"))


async def test_a_run_that_parks_is_told_of_after_the_tenants_own_time(product: Product) -> None:
    customer = await asking(product, ("update_ticket", {"priority": "high"}))
    async with running_mailbox() as mailbox:
        notices = {"mail": [ANN], "gather_seconds": 0}
        changes: dict[str, Any] = {"enhancement_preferences": {"approvals": {"notices": notices}}}
        await member(product.db, ANN)
        extras = {"connection_extras": {"email": mailbox.settings("example.org")}}
        for body in (extras, changes):
            changed = await customer.client.patch("/api/v1/tenants/acme", json=body)
            assert changed.is_success, changed.text
        await product.start_worker()
        asked = await parked(product, customer, await product.desk.file_ticket("VPN drops", priority="Low"))
        secrets = SecretBox(list(product.keys))
        notifier = Notifier(product.pool, product.db, secrets, product.http, public_url="https://desk.example.com/")
        await notifier.tick()
        assert [one.rcpt_tos for one in mailbox.envelopes] == [[ANN]]
        words = str(mailbox.mails[0].get_content())
        assert "https://desk.example.com/approvals/link?token=dha_" in words
        assert f"#{asked['ticket']['number']}, low risk" in words
        assert "VPN" not in words
        await notifier.tick()
        assert len(mailbox.mails) == 1
