"""What is looked for among the newest alone, what a page leaves to the next, and what is added up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.console import Console
from tests.support.tickets import DESK, build_past, delivery, read_of

from deskhand.executions.tickets import repository, service
from deskhand.executions.tickets.schemas import RUNS_SHOWN, TicketFilters
from deskhand.kit.db.companies import EVERY_COMPANY


async def found(console: Console, **filters: str) -> list[str]:
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        page = await service.list_tickets(session, TicketFilters(**filters), limit=10)
    return [one.ticket_id for one in page.items]


async def test_what_runs_read_is_looked_through_so_far_and_ids_however_far(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = await build_past(console)
    for number in range(2):
        await console.execution(past.agent, ticket=f"N-{number}", ago=number)
    monkeypatch.setattr(repository, "LOOKED_THROUGH", 4)
    # The third of the newest is the one that asks, and has read nothing; the fourth is the second of the past.
    assert await found(console, q="verifying") == [past.ticket_id]
    assert await found(console, company="c-7") == [past.ticket_id]
    monkeypatch.setattr(repository, "LOOKED_THROUGH", 3)
    assert [await found(console, q=words) for words in ("verifying", "1059")] == [[], []]
    assert await found(console, company="c-7") == []
    assert await found(console, q=past.ticket_id) == [past.ticket_id]


async def test_a_number_that_only_old_runs_have_read_is_asked_for_in_vain_and_the_id_is_not(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = await build_past(console)
    monkeypatch.setattr(repository, "LOOKED_THROUGH", 1)
    client = await console.client(role="viewer")
    assert (await client.get(f"/api/v1/tickets/{DESK}/{past.number}")).status_code == 404
    shown = (await client.get(f"/api/v1/tickets/{DESK}/{past.ticket_id}")).json()
    assert (shown["number"], len(shown["runs"])) == (past.number, 3)


async def test_the_newest_run_decides_and_one_of_the_same_moment_counts_once(console: Console) -> None:
    agent = await console.agent()
    now = await console.now()
    for status in ("failed", "completed", "queued"):
        await console.execution(agent, ticket="7", queued_at=now - timedelta(minutes=5), status=status)
    assert await found(console) == ["7"]
    outcomes = ("failed", "done", "at_work", "waiting", "noted", "cancelled")
    assert sorted([len(await found(console, outcome=outcome)) for outcome in outcomes]) == [0, 0, 0, 0, 0, 1]
    await console.execution(agent, ticket="7", queued_at=now, status="cancelled")
    assert await found(console, outcome="cancelled") == ["7"]


async def test_one_id_on_two_desks_is_two_tickets(console: Console) -> None:
    agent = await console.agent()
    for tool_type in (DESK, "jira"):
        await console.execution(agent, ticket="7", tool_type=tool_type, status="completed")
    assert await found(console) == ["7", "7"]
    assert await found(console, tool_type="jira", q="7") == ["7"]
    client = await console.client(role="viewer")
    for tool_type in (DESK, "jira"):
        assert len((await client.get(f"/api/v1/tickets/{tool_type}/7")).json()["runs"]) == 1
    assert (await client.get("/api/v1/tickets/zendesk/7")).status_code == 404


async def test_events_without_a_ticket_are_no_ticket(console: Console) -> None:
    agent = await console.agent()
    await console.execution(agent, ticket=None, tool_type=None)
    await console.execution(agent, ticket=None)
    assert await found(console) == []


async def test_deliveries_that_started_nothing_are_on_the_page_of_their_time(console: Console) -> None:
    agent = await console.agent()
    now = await console.now()
    for minutes in range(RUNS_SHOWN + 2):
        at = now - timedelta(minutes=minutes)
        run = await console.execution(agent, ticket="880017", queued_at=at, status="completed")
        await delivery(console, agent, at, execution_id=run)
    # One beside the newest run, and one before the oldest.
    await delivery(console, agent, now - timedelta(seconds=30), outcome="ignored", reason="young")
    await delivery(console, agent, now - timedelta(hours=2), outcome="rejected", reason="old", http_status=401)
    await delivery(console, agent, now, outcome="ignored", reason="elsewhere", ticket_ref="880018")
    client = await console.client(role="viewer")
    first = (await client.get(f"/api/v1/tickets/{DESK}/880017")).json()
    rest = (await client.get(f"/api/v1/tickets/{DESK}/880017", params={"cursor": first["next_cursor"]})).json()
    reasons = [[one["reason"] for one in page["deliveries"] if one["reason"]] for page in (first, rest)]
    assert reasons == [["young"], ["old"]]
    assert [len(page["deliveries"]) for page in (first, rest)] == [RUNS_SHOWN + 1, 3]
    assert first["deliveries"][0]["agent_name"] == "Triage notes"


async def test_costs_are_added_up_and_what_has_no_price_is_counted(console: Console) -> None:
    agent = await console.agent()
    for cost in (Decimal("0.0012"), Decimal("0.003"), None):
        run = await console.execution(agent, ticket="7", status="completed", cost_usd=cost)
        await console.step("acme", run, "draft_note", kind="model", cost_usd=cost)
    # One that asked no model cost nothing, and its price is not unknown.
    await console.execution(agent, ticket="7", status="completed")
    client = await console.client(role="viewer")
    shown = (await client.get(f"/api/v1/tickets/{DESK}/7")).json()
    assert (Decimal(shown["cost_usd"]), shown["unpriced"]) == (Decimal("0.0042"), 1)
    page = (await (await console.browser(role="viewer")).get(f"/tickets/{DESK}/7")).text
    assert "+ 1 unknown" in page


async def test_the_newest_reading_names_the_ticket(console: Console) -> None:
    agent = await console.agent()
    for ago, subject in ((90, "Printer"), (60, "Printer of floor 3"), (30, None)):
        run = await console.execution(agent, ticket="7", ago=ago, status="completed")
        if subject is not None:
            await console.step("acme", run, "get_ticket", **read_of("7", "7", subject=subject))
    other = await console.execution(agent, ticket="8", ago=10, status="completed")
    # What a run read of another ticket is not what its own is called, and what it was refused is nothing.
    await console.step(
        "acme", other, "get_ticket", **{**read_of("7", "7", subject="-"), "step_key": f"get_ticket:{DESK}/7"}
    )
    await console.step("acme", other, "get_ticket", step_key="get_ticket#1", output={"refused": "No."})
    client = await console.client(role="viewer")
    by_id = {one["ticket_id"]: one for one in (await client.get("/api/v1/tickets")).json()["items"]}
    assert (by_id["7"]["subject"], by_id["7"]["runs"]) == ("Printer of floor 3", 3)
    assert (by_id["8"]["subject"], by_id["8"]["number"]) == ("Printer offline", None)
    assert (await client.get(f"/api/v1/tickets/{DESK}/7")).json()["subject"] == "Printer of floor 3"


async def test_what_other_tickets_runs_wrote_here_is_looked_for_among_the_newest(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await console.agent()
    other = await console.execution(agent, ticket="8", ago=60, status="completed")
    trace = {"body": "See #8.", "target": f"{DESK}/7"}
    await console.step("acme", other, "add_note", kind="write", step_key="n", input=trace, output={"id": "1"})
    await console.execution(agent, ticket="9", ago=30, status="completed")
    client = await console.client(role="viewer")
    # No run was started for it, and its page is there all the same.
    shown = (await client.get(f"/api/v1/tickets/{DESK}/7")).json()
    assert [(run["id"], run["is_own"]) for run in shown["runs"]] == [(str(other), False)]
    monkeypatch.setattr(repository, "LOOKED_THROUGH", 1)
    assert (await client.get(f"/api/v1/tickets/{DESK}/7")).status_code == 404
