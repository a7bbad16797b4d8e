"""A digest of two desks: the tenant, its agent, its models and its mail, for flows and for chaos."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from tests.support.mail import Mailbox
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


async def two_desks(
    product: Product, mailbox: Mailbox, *, places: Mapping[str, Any] | None = None, **agent: Any
) -> tuple[Customer, list[str]]:
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
        **(places or {}),
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
    async with product.db.platform_session() as session:
        await session.execute(
            text(
                "UPDATE agent_triggers SET next_fire_at = date_trunc('hour', now()), misfire_max_age_seconds = 86400,"
                " schedule_cron = extract(minute FROM date_trunc('hour', now()))::int || ' * * * *'"
            )
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
