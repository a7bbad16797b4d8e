"""What a run that asked the requester does while it waits: what counts as an answer, what ends it, what it holds up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.approvals import answer, completed, question, told
from tests.support.asking import (
    ALICE,
    ANSWER,
    QUESTION,
    answered,
    asker,
    asks,
    deliveries,
    first_run,
    heard,
    runs,
    waiting,
    words,
    write,
)
from tests.support.desks import DESKS
from tests.support.product import Customer, Product, until

from deskhand.work.asking import Requester

DESK = "servicedesk_plus"


async def time_is_up(product: Product) -> None:
    """The wait is over: its end, which the journal keeps, and the row's, by which workers go."""
    await product.rows("""
        UPDATE execution_steps SET output = output || jsonb_build_object('until', (now() - interval '1 second')::text)
         WHERE name = 'open_question' RETURNING step_key
    """)  # fmt: skip
    await product.rows("UPDATE agent_executions SET not_before = now() WHERE status = 'waiting' RETURNING id")


async def at_rest(product: Product, customer: Customer, run_id: str, attempt: int) -> dict[str, Any]:
    """The run, once it waits again after a look."""

    async def look() -> dict[str, Any] | None:
        run = await product.execution(customer, run_id)
        assert run["status"] not in ("completed", "failed"), run
        return run if run["status"] == "waiting" and run["attempt"] >= attempt else None

    return await until(look)


@pytest.mark.parametrize("tool_type", DESKS)
async def test_what_anybody_else_writes_is_no_answer(product: Product, tool_type: str) -> None:
    desk = await product.open_desk(tool_type)
    customer = await asker(product, desk=desk)
    await product.start_worker()
    ticket_id = await desk.file_ticket("It does not work")
    run = await waiting(product, customer)
    seen = len(await deliveries(product))
    await write(desk, ticket_id, "Ask her again.", author="bob@acme.test", public=False)
    await heard(product, seen + 1)
    await write(desk, ticket_id, "I have that too.", author="carol@acme.test")
    await heard(product, seen + 2)
    still = await at_rest(product, customer, run["id"], 1)
    assert still["waits_for"]["until"] == run["waits_for"]["until"]
    # A colleague's note is another matter of the ticket: where the event says so, it is a run of its own.
    product.model.script = asks()
    await write(desk, ticket_id)
    await completed(product, customer, run["id"])
    assert [words(body) for body in answered(product)] == [words(ANSWER)]


@pytest.mark.parametrize("tool_type", DESKS)
async def test_a_ticket_that_is_solved_meanwhile_ends_the_wait_with_words(product: Product, tool_type: str) -> None:
    desk = await product.open_desk(tool_type)
    customer = await asker(product, desk=desk)
    await product.start_worker()
    ticket_id = await desk.file_ticket("It does not work")
    run = await waiting(product, customer)
    solved = next(one for one in desk.simulator.statuses if one.casefold() in ("resolved", "solved", "done"))
    changed = await desk.client.patch(f"/_sim/tickets/{ticket_id}", json={"status": solved})
    changed.raise_for_status()
    done = await completed(product, customer, run["id"])
    assert "solved or closed while the run waited" in done["output_result"]["not_written"]
    assert len(product.model.chats) == 1


async def test_an_answer_on_a_ticket_that_is_kept_out_by_now_is_not_read(product: Product) -> None:
    customer = await asker(product)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("It does not work")
    run = await waiting(product, customer)
    rules = {"enhancement_preferences": {"boundaries": [{"name": "HR", "words": ["HR"]}]}}
    assert (await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=rules)).is_success
    changed = await product.desk.client.patch(f"/_sim/tickets/{ticket_id}", json={"group": "HR Operations"})
    changed.raise_for_status()
    await write(product.desk, ticket_id)
    await time_is_up(product)
    done = await completed(product, customer, run["id"])
    rule = "The tenant's rule 'HR' is about this ticket: nothing was done."
    assert (done["not_written"], done["not_written_code"]) == (rule, "kept_out")
    assert len(product.model.chats) == 1
    kept = await product.rows("SELECT output::text AS words FROM execution_steps")
    assert "0x80070005" not in " ".join(row["words"] or "" for row in kept)


async def test_without_an_answer_the_run_goes_on_when_the_time_is_up(product: Product) -> None:
    customer = await asker(product, granted={"ask_requester": {"answer_hours": 3}})
    await product.start_worker()
    await product.desk.file_ticket()
    run = await waiting(product, customer)
    three_hours = "SELECT extract(epoch FROM listens_until - started_at) / 3600 FROM agent_executions"
    assert 2.9 < float((await product.rows(three_hours))[0][0]) <= 3.1
    await time_is_up(product)
    done = await completed(product, customer, run["id"])
    assert "Nobody answered until" in told(product)[-1]["why"]
    assert done["output_result"]["degraded"] is False
    # It listens no more: the next event of the ticket is news, and starts a run.
    assert await product.count("SELECT count(*) FROM agent_executions WHERE listens_until IS NOT NULL") == 0


async def test_a_third_question_is_refused_in_code(product: Product) -> None:
    customer = await asker(product, "Which device?", "Which error?", "Which colour?")
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await waiting(product, customer)
    await write(product.desk, ticket_id, "The ThinkPad.")
    await waiting(product, customer, round_number=2)
    await write(product.desk, ticket_id, "0x80070005.")
    await completed(product, customer, run["id"])
    first, second, third = told(product)
    assert ["ThinkPad" in first["answer"][0]["body"], len(second["answer"])] == [True, 1]
    assert (third["done"], "asked 2 times already" in third["why"]) == (False, True)
    ours = [note for note in await product.desk.notes(ticket_id) if note["author"] != ALICE]
    assert len(ours) == 2
    # Nor by another run of the agent on that ticket.
    product.model.script = asks("Which colour?")
    await product.deliver(customer, ticket_id, delivery_id="again")

    async def second_run() -> list[dict[str, Any]]:
        found = await runs(customer)
        return [one for one in found if one["id"] != run["id"]]

    await completed(product, customer, (await until(second_run))[0]["id"])
    assert "asked 2 times already" in told(product)[-1]["why"]


async def test_an_answer_that_comes_before_the_run_is_parked_is_not_lost(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await asker(product)
    read, looks = Requester._ticket, 0

    async def slow(requester: Requester) -> Any:
        nonlocal looks
        looks += 1
        ticket = await read(requester)
        # The second look is the first after the question: the answer comes after it was read and before it parks.
        if looks == 2:
            before = len(await deliveries(product))
            await write(product.desk, ticket.id)
            await heard(product, before + 1)
        return ticket

    monkeypatch.setattr(Requester, "_ticket", slow)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await first_run(product, customer)
    await completed(product, customer, run["id"])
    assert told(product)[-1]["answered"] is True
    assert looks == 3
    assert len(await runs(customer)) == 1
    assert len(await product.desk.notes(ticket_id)) == 2


async def test_a_run_that_waits_holds_up_neither_other_agents_nor_the_lane_and_its_wait_is_not_its_time(
    product: Product,
) -> None:
    customer = await asker(product)
    await product.set_limits("acme", concurrent_executions=1)
    await product.start_worker(limits={"timeout": 20.0})
    ticket_id = await product.desk.file_ticket()
    run = await waiting(product, customer)
    other = await second_agent(product, customer)
    product.model.script = asks()
    answered = await product.deliver(other, ticket_id, delivery_id="other")
    await completed(product, customer, answered.json()["execution_id"])
    assert (await product.execution(customer, run["id"]))["status"] == "waiting"
    # Two days later: what the requester took is not the run's own time, so its model has its whole share.
    days = "= {0} - interval '2 days'"
    await product.rows(f"UPDATE agent_executions SET queued_at {days.format('queued_at')} RETURNING id")
    await product.rows(f"UPDATE execution_steps SET finished_at {days.format('finished_at')} RETURNING step_key")
    product.model.script = asks(QUESTION)
    await write(product.desk, ticket_id)
    done = await completed(product, customer, run["id"])
    assert done["output_result"]["degraded"] is False


async def second_agent(product: Product, customer: Customer) -> Customer:
    """Another agent of the tenant, which may not reply."""
    agent = {
        "name": "Other",
        "system_prompt": "You look at tickets and do nothing else.",
        "llm_config": {"model": "gpt-4"},
        "triggers": [{"trigger_type": "webhook"}],
        "tool_ids": [DESK],
        "tool_operations": {DESK: ["get_ticket"]},
        "outcome": {"kind": "none"},
    }
    made = (await customer.client.post("/api/v1/agents", json=agent)).json()
    assert (await customer.client.post(f"/api/v1/agents/{made['id']}/activate")).is_success
    return Customer("acme", customer.client, made["id"], made["webhook_secrets"][0]["secret"], "", customer.desk)


async def test_a_cancelled_wait_is_over_and_the_next_event_starts_a_run(product: Product) -> None:
    customer = await asker(product)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await waiting(product, customer)
    needing = await customer.client.get("/api/v1/executions", params={"needs_attention": "true"})
    assert needing.json()["items"] == []
    cancelled = await customer.client.post(f"/api/v1/executions/{run['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    product.model.script = asks()
    await write(product.desk, ticket_id)

    async def another() -> bool:
        return len(await runs(customer)) == 2

    await until(another)
    assert (await product.execution(customer, run["id"]))["status"] == "cancelled"


async def test_a_question_may_need_a_yes_and_a_dry_run_asks_nobody(product: Product) -> None:
    customer = await asker(product, granted={"reply": {"mode": "approve"}})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await first_run(product, customer)
    assert (run["status"], run["error_code"]) == ("waiting", "approval-needed")
    asked = await question(customer, run["id"])
    assert [(one["field"], one["after"]) for one in asked["differences"]] == [("question to the requester", QUESTION)]
    changed = await answer(customer.client, asked, "change", arguments={"question": "Which printer?"})
    assert (await answer(customer.client, changed.json(), "approve")).status_code == 200
    waits = await waiting(product, customer)
    assert waits["waits_for"]["question"] == "Which printer?"
    await write(product.desk, ticket_id)
    await completed(product, customer, run["id"])

    notes = await product.desk.notes(ticket_id)
    replayed = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "dry_run"})
    await completed(product, customer, replayed.json()["id"])
    assert told(product)[-1]["dry_run"] is True
    assert await product.desk.notes(ticket_id) == notes


async def test_asking_is_granted_with_replying_and_with_nothing_else(product: Product) -> None:
    customer = await asker(product)
    agent = f"/api/v1/agents/{customer.agent_id}"
    for grants, fault in [
        ({"ask_requester": "allow", "get_ticket": "allow"}, "grant 'reply' as well"),
        ({"reply": "allow", "ask_requester": {"scope": "any"}}, "the run's own ticket alone"),
        ({"reply": {"answer_hours": 3}}, "waits for no answer"),
        ({"reply": "allow", "ask_requester": {"answer_hours": 0}}, "greater than or equal to 1"),
    ]:
        refused = await customer.client.patch(agent, json={"tool_operations": {DESK: grants}})
        assert refused.status_code == 422, refused.text
        assert fault in refused.text
    stored = {"reply": {"mode": "allow", "scope": "own"}, "ask_requester": {"mode": "approve", "answer_hours": 5}}
    kept = (await customer.client.patch(agent, json={"tool_operations": {DESK: stored}})).json()
    assert kept["tool_operations"][DESK]["ask_requester"]["answer_hours"] == 5

    narrowed = await customer.client.patch(agent, json={"tool_operations": {DESK: ["get_ticket", "add_note"]}})
    assert narrowed.is_success
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await first_run(product, customer)
    # A model that calls it all the same is told that there is no such tool.
    assert run["status"] == "completed"
    offered = {tool["function"]["name"] for tool in product.model.chats[0].body["tools"]}
    assert "ask_requester" not in offered
    assert await product.desk.notes(ticket_id) == []
