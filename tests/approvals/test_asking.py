"""A write that a person approves first, end to end: asked, answered in every way, and made once or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.approvals import (
    DESK,
    LIST,
    WHY,
    answer,
    asking,
    calling,
    completed,
    move,
    parked,
    question,
    told,
)
from tests.support.desks import DESKS, KINDS
from tests.support.mail import running_mailbox
from tests.support.product import Customer, Product, until

RAISE = ("update_ticket", {"priority": "high"})
RESOLVE = ("resolve", {"resolution": "It was the cable."})


def writes(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "write"]


async def member(product: Product, customer: Customer, role: str) -> Any:
    body = {"name": role, "role": role}
    made = await customer.client.post(f"/api/v1/tenants/{customer.tenant_id}/api-keys", json=body)
    return await product.client(made.json()["api_key"])


async def test_a_call_parks_its_run_says_exactly_what_it_would_do_and_a_yes_does_it_once(product: Product) -> None:
    customer = await asking(product, RAISE)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("VPN drops", priority="Low")
    before = await product.desk.effects(ticket_id)
    asked = await parked(product, customer, ticket_id)
    assert (asked["operation"], asked["arguments"], asked["reason"]) == ("update_ticket", {"priority": "high"}, WHY)
    assert asked["differences"] == [{"field": "priority", "before": "low", "after": "high"}]
    assert (asked["risk"], asked["approver"], asked["agent_version"]) == ("low", "operator", 1)
    assert (asked["state"], asked["ticket"]["subject"]) == ("waiting", "VPN drops")
    assert asked["ticket"]["revision"]
    assert (await product.desk.effects(ticket_id))["updates"] == before["updates"]

    said = await answer(customer.client, asked, "approve")
    assert (said.status_code, said.json()["state"]) == (200, "approved"), said.text
    run = await completed(product, customer, asked["execution_id"])
    assert writes(run) == [("update_ticket", "finished")]
    assert (await product.desk.effects(ticket_id))["updates"] == before["updates"] + 1
    # The conversation went on where it had stood: two model calls, the first of them from the journal.
    assert len(product.model.chats) == 2
    assert told(product)[-1]["done"] is True

    again = await answer(customer.client, asked, "approve")
    assert again.status_code == 409
    assert "approved already by api-key:" in again.json()["detail"]
    assert (await product.desk.effects(ticket_id))["updates"] == before["updates"] + 1
    log = await product.rows("SELECT operation, actor FROM audit_log WHERE operation ~ '^approval' ORDER BY sequence")
    assert [row["operation"] for row in log] == ["approval.ask", "approval.approve"]
    assert log[0]["actor"].endswith("/v1")


@pytest.mark.parametrize("tool_type", DESKS)
async def test_on_each_desk_a_yes_to_a_ticket_that_moved_is_void_and_the_run_looks_again(
    product: Product, tool_type: str
) -> None:
    desk = await product.open_desk(tool_type)
    customer = await asking(product, RAISE, desk=desk)
    product.model.script = calling(RAISE, RAISE)
    await product.point_desk_at(customer)
    await product.start_worker()
    ticket_id = await desk.file_ticket("VPN drops", priority=KINDS[tool_type].medium)
    run = await first_run(product, customer)
    asked = await question(customer, run["id"])
    await move(desk, ticket_id)
    moved = (await desk.effects(ticket_id))["updates"]
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    run = await waits_again(product, customer, run["id"], after=asked["id"])
    assert (await customer.client.get(f"{LIST}/{asked['id']}")).json()["state"] == "void"
    assert (await desk.effects(ticket_id))["updates"] == moved
    assert "changed between" in told(product)[-1]["not_approved"]

    second = await question(customer, run["id"])
    assert second["ticket"]["revision"] != asked["ticket"]["revision"]
    assert (await answer(customer.client, second, "approve")).status_code == 200
    run = await completed(product, customer, run["id"])
    assert writes(run) == [("update_ticket", "failed"), ("update_ticket", "finished")]
    assert (await desk.effects(ticket_id))["updates"] == moved + 1


async def first_run(product: Product, customer: Customer) -> dict[str, Any]:
    async def started() -> list[Any]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    runs = await until(started)
    run = await product.ended(customer, runs[-1]["id"])
    assert run["status"] == "waiting", run
    return run


async def waits_again(product: Product, customer: Customer, run_id: str, *, after: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        run = await product.execution(customer, run_id)
        assert run["status"] not in ("completed", "failed"), run
        items = (await customer.client.get(LIST, params={"execution_id": run_id})).json()["items"]
        return run if items and items[0]["id"] != after else None

    return await until(look)


async def test_a_no_goes_to_the_model_with_its_reason_and_nothing_is_written(product: Product) -> None:
    customer = await asking(product, RESOLVE)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    assert asked["risk"] == "high"
    assert {one["field"]: one["after"] for one in asked["differences"]} == {
        "status": "resolved",
        "resolution": "It was the cable.",
    }
    assert (await answer(customer.client, asked, "decline", reason=" ")).status_code == 422
    said = await answer(customer.client, asked, "decline", reason="Ask her first.")
    assert (said.status_code, said.json()["answer"]) == (200, "Ask her first.")
    run = await completed(product, customer, asked["execution_id"])
    assert told(product) == [{"done": False, "not_approved": "Ask her first."}]
    assert writes(run) == []
    assert run["output_result"]["not_approved"] == [
        {"operation": "resolve", "state": "declined", "why": "Ask her first."}
    ]
    assert (await product.desk.effects(ticket_id))["updates"] == 0


async def test_changed_arguments_are_checked_get_a_new_digest_and_still_need_a_yes(product: Product) -> None:
    customer = await asking(product, RAISE)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("VPN drops", priority="Low")
    asked = await parked(product, customer, ticket_id)
    for arguments, pointer in [
        ({"priority": "enormous"}, "/arguments/priority"),
        ({"colour": "red"}, "/arguments"),
        ({"priority": "medium", "ticket_id": "1"}, "/arguments/ticket_id"),
    ]:
        refused = await answer(customer.client, asked, "change", arguments=arguments)
        assert refused.status_code == 422, refused.text
        assert pointer in [fault["pointer"] for fault in refused.json()["errors"]]
    changed = await answer(customer.client, asked, "change", arguments={"priority": "medium"})
    assert changed.status_code == 200, changed.text
    now = changed.json()
    assert (now["state"], now["differences"][0]["after"]) == ("waiting", "medium")
    assert now["digest"] != asked["digest"]
    assert now["changed_by"].startswith("api-key:")
    stale = await answer(customer.client, asked, "approve")
    assert stale.status_code == 409
    assert "changed meanwhile" in stale.json()["detail"]
    assert (await answer(customer.client, now, "approve")).status_code == 200
    await completed(product, customer, asked["execution_id"])
    shown = await product.desk.client.get(f"/_sim/tickets/{ticket_id}")
    assert shown.json()["priority"] == "Normal"


async def test_only_the_role_that_the_grant_names_may_answer_and_no_other_tenant(product: Product) -> None:
    customer = await asking(product, RAISE, how={"approver": "tenant_admin"})
    other = await product.customer("globex")
    await product.start_worker()
    asked = await parked(product, customer, await product.desk.file_ticket())
    assert asked["approver"] == "tenant_admin"
    for role in ("viewer", "editor", "operator"):
        client = await member(product, customer, role)
        for verb, body in (("approve", {}), ("decline", {"reason": "No."}), ("change", {"arguments": RAISE[1]})):
            refused = await answer(client, asked, verb, **body)
            assert refused.status_code == 403, (role, verb, refused.text)
        batch = {"items": [{"id": asked["id"], "digest": asked["digest"]}]}
        assert (await client.post(f"{LIST}/approve", json=batch)).status_code == 403
    assert (await other.client.get(f"{LIST}/{asked['id']}")).status_code == 404
    assert (await answer(other.client, asked, "approve")).status_code == 404
    assert (await question(customer, asked["execution_id"]))["state"] == "waiting"
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    await completed(product, customer, asked["execution_id"])


async def test_where_nobody_answers_the_run_completes_with_a_note_that_says_so(product: Product) -> None:
    customer = await asking(product, RESOLVE, granted={"add_note": {}}, how={"wait_minutes": 1})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    run = await product.execution(customer, asked["execution_id"])
    assert run["not_before"] >= asked["expires_at"]
    # The minute is over.
    await product.rows("UPDATE approvals SET expires_at = now() RETURNING id")
    await product.rows("UPDATE agent_executions SET not_before = now() RETURNING id")
    run = await completed(product, customer, asked["execution_id"])
    assert "Nobody approved it until" in told(product)[-1]["not_approved"]
    [note] = await product.desk.notes(ticket_id)
    assert "Not done: resolve. Nobody approved it until" in note["body"]
    assert not note["public"]
    assert writes(run) == [("add_note", "finished")]
    late = await answer(customer.client, asked, "approve")
    assert (late.status_code, "expired" in late.json()["detail"]) == (409, True)
    assert (await customer.client.get(LIST)).json()["items"] == []


async def test_a_parked_run_holds_up_neither_its_ticket_nor_its_tenant(product: Product) -> None:
    customer = await asking(product, RAISE)
    await product.set_limits("acme", concurrent_executions=1)
    await product.start_worker(limits={"timeout": 20.0})
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    # Of the same ticket, and on the tenant's only slot.
    product.model.script = calling()
    second = await product.deliver(customer, ticket_id, delivery_id="msg-2")
    await completed(product, customer, second.json()["execution_id"])
    # A day later the run has the time of a fresh one: what people took is not its own.
    day = "created_at = created_at - interval '1 day'"
    await product.rows(f"UPDATE approvals SET {day} RETURNING id")
    await product.rows("UPDATE agent_executions SET queued_at = queued_at - interval '1 day' RETURNING id")
    product.model.script = calling(RAISE)
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    run = await completed(product, customer, asked["execution_id"])
    assert run["output_result"]["degraded"] is False
    assert writes(run) == [("update_ticket", "finished")]


async def test_what_a_run_ends_in_is_approved_like_any_write_and_made_anew_where_the_ticket_moved(
    product: Product,
) -> None:
    customer = await asking(product, ("reply", {}), outcome={"kind": "reply"})
    product.model.script = calling()
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    assert asked["differences"] == [{"field": "reply to the requester", "before": None, "after": "simulated"}]
    await move(product.desk, ticket_id)
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    await waits_again(product, customer, asked["execution_id"], after=asked["id"])
    assert "The ticket changed while" in product.model.chats[-1].body["messages"][1]["content"]
    assert await product.desk.notes(ticket_id) == []
    second = await question(customer, asked["execution_id"])
    changed = await answer(customer.client, second, "change", arguments={"body": "Restart it, please."})
    assert (await answer(customer.client, changed.json(), "approve")).status_code == 200
    run = await completed(product, customer, asked["execution_id"])
    [note] = await product.desk.notes(ticket_id)
    assert ("Restart it, please." in note["body"], note["public"]) == (True, True)
    assert run["output_result"]["reply"]["markdown"] == "Restart it, please."


async def test_a_declined_end_completes_the_run_and_says_so(product: Product) -> None:
    customer = await asking(product, ("add_note", {}), outcome={"kind": "note"})
    product.model.script = calling()
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    assert (await answer(customer.client, asked, "decline", reason="Too long.")).status_code == 200
    run = await completed(product, customer, asked["execution_id"])
    assert (run["output_result"]["not_written"], await product.desk.notes(ticket_id)) == ("Too long.", [])


async def test_a_dry_run_asks_nobody(product: Product) -> None:
    customer = await asking(product, RAISE)
    await product.start_worker()
    asked = await parked(product, customer, await product.desk.file_ticket())
    await answer(customer.client, asked, "decline", reason="No.")
    run = await completed(product, customer, asked["execution_id"])
    replayed = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={})
    dry = await completed(product, customer, replayed.json()["id"])
    assert told(product)[-1]["dry_run"] is True
    assert (writes(dry), (await customer.client.get(LIST)).json()["items"]) == ([], [])


async def test_a_cancelled_run_is_nobodys_question(product: Product) -> None:
    customer = await asking(product, RAISE)
    await product.start_worker()
    asked = await parked(product, customer, await product.desk.file_ticket())
    await customer.client.post(f"/api/v1/executions/{asked['execution_id']}/cancel")
    assert (await customer.client.get(LIST)).json()["items"] == []
    refused = await answer(customer.client, asked, "approve")
    assert (refused.status_code, "has ended" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize("moves", [False, True], ids=["still", "moved"])
async def test_a_mail_is_approved_as_it_will_be_sent_and_bound_to_the_runs_ticket(
    product: Product, *, moves: bool
) -> None:
    async with running_mailbox() as mailbox:
        customer = await asking(product, tool_ids=[DESK])
        extras = {"connection_extras": {"email": mailbox.settings("corp.test")}}
        assert (await customer.client.patch("/api/v1/tenants/acme", json=extras)).is_success
        grants = {"tool_ids": [DESK, "email"], "tool_operations": {"email": {"send": "approve"}}}
        assert (await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=grants)).is_success
        mail = {"to": ["lead@corp.test"], "subject": "Look", "body": "It is broken."}
        product.model.script = calling(("email_send", mail))
        await product.start_worker()
        ticket_id = await product.desk.file_ticket()
        asked = await parked(product, customer, ticket_id)
        assert [one["field"] for one in asked["differences"]] == ["to", "subject", "body"]
        assert (asked["ticket"]["id"], asked["risk"]) == (ticket_id, "high")
        foreign = {**mail, "to": ["someone@elsewhere.test"]}
        changed = await answer(customer.client, asked, "change", arguments={**mail, "body": "It was broken."})
        assert (await answer(customer.client, changed.json(), "change", arguments=foreign)).status_code == 200
        now = await question(customer, asked["execution_id"])
        back = await answer(customer.client, now, "change", arguments={**mail, "body": "It was broken."})
        if moves:
            await move(product.desk, ticket_id)
        assert (await answer(customer.client, back.json(), "approve")).status_code == 200
        await completed(product, customer, asked["execution_id"])
        bodies = [message.get_content().strip() for message in mailbox.mails]
        assert bodies == ([] if moves else ["It was broken."])
