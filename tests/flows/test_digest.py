"""The nine o'clock digest of the specification: a schedule fires, the agent looks through two desks, and mails it once.

The model is a scripted tool-calling server, the desks are simulators, the mail server is aiosmtpd, and what it took is
what is asserted.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess, nursery, worker_process  # noqa: F401 - fixtures
from tests.support.mail import Mailbox, running_mailbox
from tests.support.product import Customer, Product, until

from deskhand.schedules.scheduler import Scheduler
from deskhand.simulators.models import Reply

PROMPT = """You are {{agent_name}} of {{tenant_name}}. It is {{current_date}}.
List every ticket that was filed since yesterday, desk by desk, by its number and subject."""
LEADS = "leads@acme.test"
TOOLS = {
    "jira": ["search_tickets"],
    "servicedesk_plus": ["search_tickets", "add_note"],
    "email": ["send"],
}


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with running_mailbox() as box:
        yield box


def results(body: Mapping[str, Any]) -> list[Any]:
    """What the tools answered so far."""
    return [json.loads(message["content"]) for message in body["messages"] if message["role"] == "tool"]


def digest(body: Mapping[str, Any]) -> str:
    lines = [f"- {ticket['number']} {ticket['subject']}" for result in results(body) for ticket in result["tickets"]]
    return "\n".join(["New since yesterday:", *lines])


def offered(body: Mapping[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in body["tools"]]


def since(body: Mapping[str, Any]) -> str:
    """Yesterday, read from the prompt as a model would."""
    match = re.search(r"It is (\d{4}-\d\d-\d\d)", body["messages"][0]["content"])
    assert match is not None
    year, month, day = map(int, match[1].split("-"))
    return f"{date(year, month, day) - timedelta(days=1)}T00:00:00Z"


def searching(finish: Callable[[Mapping[str, Any]], Reply]) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that searches every desk it may, side by side, and then finishes."""

    def script(body: Mapping[str, Any]) -> Reply:
        if results(body):
            return finish(body)
        searches = [name for name in offered(body) if name.endswith("search_tickets")]
        return Reply(tool_calls=tuple((name, {"created_since": since(body), "limit": 50}) for name in searches))

    return script


def reporting(body: Mapping[str, Any]) -> Reply:
    return Reply(tool_calls=(("give_answer", {"report": digest(body)}),))


def mailing(body: Mapping[str, Any]) -> Reply:
    sent = [result for result in results(body) if "message_id" in result]
    if sent:
        return Reply(tool_calls=(("give_answer", {"report": "Mailed."}),))
    mail = {"to": [LEADS], "subject": "New tickets", "body": digest(body)}
    return Reply(tool_calls=(("email_send", mail),))


async def two_desks(product: Product, mailbox: Mailbox, **agent: Any) -> tuple[Customer, list[str]]:
    """A tenant with Jira and ServiceDesk Plus, old and new tickets on both, and an agent on a schedule.

    Returns:
        The customer, and the numbers of the new tickets.
    """
    jira = await product.open_desk("jira")
    platform = await product.platform()
    fields = {name: value for name, value in jira.tenant().items() if name not in ("tool_type", "connection_extras")}
    extras = {
        **jira.tenant()["connection_extras"],
        "email": mailbox.settings("acme.test"),
    }
    body = {"tenant_id": "acme", "name": "Acme", **product.desk.tenant(), **fields, "connection_extras": extras}
    created = await platform.post("/api/v1/tenants", json=body)
    assert created.is_success, created.text
    made = await platform.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "tenant_admin"})
    client = await product.client(made.json()["api_key"])
    shown = []
    for desk in (product.desk, jira):
        clock = desk.simulator.store.clock
        clock.advance(-3 * 86_400)
        await desk.file_ticket(f"Old fault on {desk.tool_type}")
        clock.advance(3 * 86_400)
        for number in range(3):
            ticket_id = await desk.file_ticket(f"New fault {number} on {desk.tool_type}")
            shown.append(desk.simulator.store.tickets[ticket_id].display_id)
    answer = await client.post("/api/v1/agents", json={
        "name": "Night digest",
        "system_prompt": PROMPT,
        "llm_config": {"model": "gpt-4", "temperature": 0.0},
        "triggers": [{"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlin"}],
        "tool_ids": list(TOOLS),
        "tool_operations": TOOLS,
        "outcome": {"kind": "report", "mail_to": [LEADS], "mail_subject": "{{agent_name}} of {{current_date}}"},
        **agent,
    })  # fmt: skip
    assert answer.is_success, answer.text
    agent_id = answer.json()["id"]
    activated = await client.post(f"/api/v1/agents/{agent_id}/activate")
    assert activated.is_success, activated.text
    return Customer("acme", client, agent_id, "", made.json()["api_key"], product.desk), shown


async def fire(product: Product, customer: Customer) -> str:
    """Nine o'clock comes: the schedule's instant is now, and the scheduler fires it."""
    async with product.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE deskhand_platform")
        await connection.execute(
            "UPDATE agent_triggers SET next_fire_at = date_trunc('hour', now()), misfire_max_age_seconds = 86400,"
            " schedule_cron = extract(minute FROM date_trunc('hour', now()))::int || ' * * * *'"
        )
    scheduler = Scheduler(product.pool)
    task = asyncio.create_task(scheduler.run())

    async def started() -> list[dict[str, Any]]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    try:
        [run] = await until(started)
    finally:
        scheduler.request_stop()
        await task
    return str(run["id"])


def assert_digest(mailbox: Mailbox, shown: list[str], *, subject: str) -> None:
    [mail] = mailbox.mails
    text = mail.get_content()
    assert mail["To"] == LEADS
    assert re.fullmatch(subject, mail["Subject"]), mail["Subject"]
    assert all(number in text for number in shown), (shown, text)
    assert text.count("New fault") == len(shown)
    assert "Old fault" not in text
    assert re.fullmatch(r"<dh-[0-9a-f]{20}@acme\.test>", mail["Message-ID"])


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
    assert [row["details"]["to"] for row in audited] == [[LEADS]]


@pytest.mark.parametrize("moment", [
    {"statement": "end_step", "when": "after", "step": "search_tickets"},
    {"statement": "end_step", "when": "before", "step": "model"},
    {"statement": "begin_step", "when": "before", "step": "send_mail"},
    {"statement": "end_step", "when": "after", "step": "send_mail"},
])  # fmt: skip
async def test_killed_in_the_middle_the_digest_is_mailed_once(
    product: Product,
    mailbox: Mailbox,
    worker_process: StartProcess,
    moment: dict[str, str],
) -> None:
    customer, shown = await two_desks(product, mailbox, outcome={"kind": "report"})
    product.model.script = searching(mailing)
    execution_id = await fire(product, customer)
    victim = await worker_process(stale_after=60.0, **moment, execution=execution_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["attempt"]) == ("completed", 2), run
    assert_digest(mailbox, shown, subject="New tickets")


async def test_killed_between_the_servers_yes_and_our_journal_a_person_is_asked_and_no_second_mail_goes_out(
    product: Product,
    mailbox: Mailbox,
    worker_process: StartProcess,  # noqa: F811
) -> None:
    customer, shown = await two_desks(product, mailbox)
    product.model.script = searching(reporting)
    execution_id = await fire(product, customer)
    victim = await worker_process(
        stale_after=60.0, statement="end_step", when="before", step="send_mail", execution=execution_id
    )
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
    assert_digest(mailbox, shown, subject=r"Night digest of \d{4}-\d\d-\d\d")
    assert mailbox.mails[0]["Message-ID"] in run["error_message"]
    answer = {"step_key": run["question"]["step_key"], "done": True}
    settled = await customer.client.post(f"/api/v1/executions/{execution_id}/answer", json=answer)
    assert settled.is_success, settled.text
    run = await product.ended(customer, execution_id)
    assert run["status"] == "completed", run
    assert len(mailbox.mails) == 1


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
