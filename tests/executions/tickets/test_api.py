"""Tickets over the API: the list, one ticket, its two names, and whose they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.support.console import Console
from tests.support.tickets import DESK, FIRST, SECOND, SUBJECT, build_past, delivery, read_of

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory

TICKETS = "/api/v1/tickets"


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(TICKETS, params=query)
    assert answer.status_code == 200, answer.text
    return [one["ticket_id"] for one in answer.json()["items"]]


async def test_a_ticket_stands_once_in_the_list_with_its_newest_run(console: Console) -> None:
    past = await build_past(console)
    await console.execution(past.agent, ticket="7", ago=5, status="queued")
    client = await console.client(role="viewer")
    page = (await client.get(TICKETS)).json()
    assert [one["ticket_id"] for one in page["items"]] == ["7", past.ticket_id]
    one = page["items"][1]
    assert {name: one[name] for name in ("number", "subject", "company", "outcome", "runs", "execution_id")} == {
        "number": "1059",
        "subject": SUBJECT,
        "company": {"id": "c-7", "name": "Nordwind GmbH"},
        "outcome": "waiting",
        "runs": 3,
        "execution_id": str(past.asking),
    }
    # Nothing has read it yet, so it is called as its event has it.
    assert (page["items"][0]["number"], page["items"][0]["subject"]) == (None, "Printer offline")


async def test_pages_follow_each_other_and_none_is_shown_twice(console: Console) -> None:
    agent = await console.agent()
    for number in range(5):
        # Two at one time: the cursor has to tell them apart.
        await console.execution(agent, ticket=f"T-{number}", ago=100 - number // 2)
        await console.execution(agent, ticket=f"T-{number}", ago=200)
    client = await console.client(role="viewer")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = (await client.get(TICKETS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["ticket_id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert sorted(seen) == [f"T-{number}" for number in range(5)]
    assert (await client.get(TICKETS, params={"cursor": "x"})).status_code == 404


async def test_the_filters_each_leave_out_the_others(console: Console) -> None:
    past = await build_past(console)
    note = {"note": {"markdown": "Reboot.", "sources": []}}
    await console.execution(past.agent, ticket="8", ago=90_000, status="completed", output_result=note)
    await console.execution(past.agent, ticket="9", ago=10, status="completed", output_result={"note": None})
    await console.execution(past.agent, ticket="10", ago=9, status="completed", output_result=note, mode="dry_run")
    await console.execution(past.agent, ticket="11", ago=8, status="failed", tool_type="jira")
    client = await console.client(role="viewer")
    assert await listed(client, tool_type="jira") == ["11"]
    assert await listed(client, company="c-7") == [past.ticket_id]
    assert await listed(client, company="c-8") == []
    assert await listed(client, outcome="noted") == ["8"]
    assert await listed(client, outcome="done") == ["10", "9"]
    assert await listed(client, outcome="failed") == ["11"]
    assert await listed(client, outcome="waiting") == [past.ticket_id]
    since = (await console.now() - timedelta(hours=1)).isoformat()
    assert await listed(client, since=since) == ["11", "10", "9", past.ticket_id]


WORDS = ["880017", "1059", "#1059", "verifying", "  VERIFYING certificate "]


@pytest.mark.parametrize("words", [*WORDS, "verifying morning", "105"])
async def test_a_ticket_is_found_by_id_number_and_words(console: Console, words: str) -> None:
    past = await build_past(console)
    await console.execution(past.agent, ticket="7")
    client = await console.client(role="viewer")
    assert await listed(client, q=words) == ([past.ticket_id] if words in WORDS else [])


async def test_what_stands_for_anything_in_a_pattern_is_an_ordinary_letter(console: Console) -> None:
    await build_past(console)
    client = await console.client(role="viewer")
    assert [await listed(client, q=words) for words in ("%", "_", "\\")] == [[], [], []]


async def test_an_imported_ticket_is_found_however_old_its_runs_are(console: Console) -> None:
    agent = await console.agent()
    await console.execution(agent, ticket="5001", status="completed", input_payload={"request": {"id": "5001"}})
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(
                tenant_id="acme",
                tool_type=DESK,
                ticket_id="77",
                desk_id="5001",
                subject="Badge reader",
                description="-",
            )
        )
    client = await console.client(role="viewer")
    assert [await listed(client, q=words) for words in ("77", "badge", "nothing")] == [["5001"], ["5001"], []]
    shown = (await client.get(f"{TICKETS}/{DESK}/77")).json()
    assert (shown["ticket_id"], shown["number"], shown["subject"]) == ("5001", "77", "Badge reader")


async def test_one_ticket_has_everything_that_was_done_to_it(console: Console) -> None:
    past = await build_past(console)
    client = await console.client(role="viewer")
    shown = (await client.get(f"{TICKETS}/{DESK}/{past.ticket_id}")).json()
    assert [run["id"] for run in shown["runs"]] == [str(past.asking), str(past.second), str(past.first)]
    assert shown["runs"][1]["read"] == ["The whole description was read.", "12 of 40 comments read."]
    assert shown["runs"][1]["looked_up"] == [{"name": "get_ticket", "times": 1}, {"name": "search_tickets", "times": 2}]
    assert [run["can_undo"] for run in shown["runs"]] == [False, True, True]
    (note,) = shown["notes"]
    assert (note["note_id"], note["state"], note["audience"]) == ("50311", "there", "technicians")
    assert (note["text"]["markdown"], [text["markdown"] for text in note["earlier"]]) == (SECOND, [FIRST])
    assert [one["feedback_comment"] for one in note["earlier"][0]["verdicts"]] == ["It was the certificate."]
    assert note["text"]["can_judge"]
    (write,) = shown["writes"]
    assert [(one["field"], one["before"], one["after"]) for one in write["fields"]] == [
        ("priority", "Low", "High"),
        ("group", None, "Network"),
    ]
    (asked,) = shown["approvals"]
    assert (asked["state"], asked["differences"]) == (
        "waiting",
        [{"field": "priority", "before": "low", "after": "high"}],
    )
    assert [one["outcome"] for one in shown["deliveries"]] == ["ignored", "accepted", "accepted"]
    assert shown["url"] == "https://desk.example.com/wo?id=880017"


async def test_the_number_and_the_id_are_one_ticket(console: Console) -> None:
    past = await build_past(console)
    client = await console.client(role="viewer")
    by_id, by_number = [(await client.get(f"{TICKETS}/{DESK}/{ref}")).json() for ref in (past.ticket_id, past.number)]
    assert by_number == by_id


async def test_runs_under_a_key_and_under_an_id_are_of_one_ticket(console: Console) -> None:
    agent = await console.agent()
    read = read_of("10042", "HELP-7")
    ids = []
    # Somebody retried a run with the key, which the desk takes as it takes the id.
    for ref, ago in (("10042", 60), ("HELP-7", 30)):
        run = await console.execution(agent, ticket=ref, ago=ago, tool_type="jira", status="completed")
        await console.step("acme", run, "get_ticket", **read)
        ids.append(str(run))
    client = await console.client(role="viewer")
    for ref in ("10042", "HELP-7"):
        shown = (await client.get(f"{TICKETS}/jira/{ref}")).json()
        assert (shown["ticket_id"], shown["number"]) == ("10042", "HELP-7")
        assert sorted(run["id"] for run in shown["runs"]) == sorted(ids)


async def test_where_both_are_digits_the_id_wins_and_the_namesake_is_named(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, ticket="4711", status="completed")
    await console.execution(agent, ticket="99", ago=9, status="completed")
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(
                tenant_id="acme", tool_type=DESK, ticket_id="4711", desk_id="99", subject="-", description="-"
            )
        )
    client = await console.client(role="viewer")
    shown = (await client.get(f"{TICKETS}/{DESK}/4711")).json()
    assert [one["id"] for one in shown["runs"]] == [str(run)]
    assert shown["namesake"] == "99"


async def test_a_run_of_another_ticket_that_wrote_here_is_shown_with_that_write_alone(console: Console) -> None:
    past = await build_past(console)
    other = await console.execution(past.agent, ticket="7", ago=20, status="completed")
    for key, target in (("n1", f"{DESK}/{past.ticket_id}"), ("n2", f"{DESK}/8")):
        await console.step("acme", other, "add_note", kind="write", step_key=key, output={"id": key},
                           input={"body": f"See #7 ({key}).", "target": target})  # fmt: skip
    await console.step(
        "acme", other, "add_note", kind="write", step_key="own", input={"body": "Own."}, output={"id": "x"}
    )
    filed = {"id": "t", "ticket_id": past.ticket_id, "display_id": "1059"}
    await console.step("acme", other, "create_ticket", kind="write", step_key="new", output=filed,
                       input={"subject": SUBJECT, "target": f"{DESK}/"})  # fmt: skip
    client = await console.client(role="viewer")
    shown = (await client.get(f"{TICKETS}/{DESK}/{past.ticket_id}")).json()
    assert [(run["id"], run["is_own"]) for run in shown["runs"]][:2] == [(str(other), False), (str(past.asking), True)]
    assert [note["text"]["markdown"] for note in shown["notes"]] == ["See #7 (n1).", SECOND]
    assert [write["operation"] for write in shown["writes"]] == ["create_ticket", "update_ticket"]


async def test_earlier_runs_are_on_the_next_page(console: Console) -> None:
    agent = await console.agent()
    runs = [str(await console.execution(agent, ticket="7", ago=number, status="completed")) for number in range(27)]
    client = await console.client(role="viewer")
    first = (await client.get(f"{TICKETS}/{DESK}/7")).json()
    rest = (await client.get(f"{TICKETS}/{DESK}/7", params={"cursor": first["next_cursor"]})).json()
    assert [run["id"] for run in first["runs"] + rest["runs"]] == runs
    assert (len(first["runs"]), rest["next_cursor"]) == (25, None)


async def test_a_ticket_whose_events_started_nothing_is_shown_by_them(console: Console) -> None:
    past = await build_past(console)
    client = await console.client(role="viewer")
    assert (await client.get(f"{TICKETS}/{DESK}/12345")).status_code == 404
    await delivery(console, past.agent, await console.now(), ticket_ref="12345", outcome="ignored", reason="Filtered.")
    shown = (await client.get(f"{TICKETS}/{DESK}/12345")).json()
    assert (shown["runs"], [one["reason"] for one in shown["deliveries"]]) == ([], ["Filtered."])


async def test_an_address_that_is_no_web_address_is_not_given_on(console: Console) -> None:
    past = await build_past(console, url="javascript:alert(1)")
    client = await console.client(role="viewer")
    assert (await client.get(f"{TICKETS}/{DESK}/{past.ticket_id}")).json()["url"] is None


async def test_credentials_are_hidden_wherever_they_stand(console: Console) -> None:
    agent = await console.agent()
    key = "sk-" + "a1B2" * 12
    run = await console.execution(agent, ticket="7", status="completed", error_message=None)
    await console.step("acme", run, "get_ticket", **read_of("7", "7", subject=f"key {key}"))
    await console.step("acme", run, "add_note", kind="write", step_key="n", input={"body": key}, output={"id": "1"})
    changed = {"id": "2", "changes": [{"field": "subject", "before_text": key, "after_text": "-"}]}
    await console.step("acme", run, "update_ticket", kind="write", step_key="u", input={"subject": key}, output=changed)
    client = await console.client(role="viewer")
    assert key not in (await client.get(f"{TICKETS}/{DESK}/7")).text + (await client.get(TICKETS)).text


async def test_another_tenants_ticket_is_no_ticket(console: Console) -> None:
    past = await build_past(console)
    theirs = await console.client("globex", role="tenant_admin")
    assert (await theirs.get(f"{TICKETS}/{DESK}/{past.ticket_id}")).status_code == 404
    assert await listed(theirs) == []
    assert await listed(theirs, q="1059") == []
