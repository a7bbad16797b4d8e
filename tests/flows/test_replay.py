"""A past run done again: dry, with another version, for real, and with a changed input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.product import Customer, Product

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"


async def first_run(product: Product, customer: Customer, ticket_id: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id)
    return await product.ended(customer, answer.json()["execution_id"])


async def replay(customer: Customer, execution_id: str, **wanted: Any) -> dict[str, Any]:
    answer = await customer.client.post(f"/api/v1/executions/{execution_id}/replay", json=wanted)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/executions/{answer.json()['id']}"
    return dict(answer.json())


async def test_a_dry_run_shows_what_it_would_write_and_a_live_one_writes_it(product: Product) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    await product.start_worker()
    original = await first_run(product, customer, ticket_id)
    assert original["status"] == "completed"
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    changed = await customer.client.patch(
        f"/api/v1/agents/{customer.agent_id}", json={"system_prompt": "Answer in one line, and cite what you used."}
    )
    assert changed.is_success, changed.text
    effects, calls = await product.desk.effects(ticket_id), len(product.model.chats)

    started = await replay(customer, original["id"], agent_version=2)
    dry = await product.ended(customer, started["id"])

    assert dry["status"] == "completed", dry
    assert (dry["mode"], dry["agent_version"], dry["replay_of"]) == ("dry_run", 2, original["id"])
    assert (dry["ticket_ref"], dry["tool_type"], dry["input_payload"]) == (
        ticket_id, original["tool_type"], original["input_payload"],
    )  # fmt: skip
    assert "Answer in one line" in str(product.model.chats[calls:])
    [would] = [step for step in dry["steps"] if step["name"] == "add_note"]
    assert would["input"]["body"] == dry["note"]["markdown"]
    assert "INV-1001" in dry["note"]["markdown"]
    assert dry["note"]["note_id"] is None
    assert [step["kind"] for step in dry["steps"]].count("write") == 0
    assert await product.desk.effects(ticket_id) == effects
    assert await product.count("SELECT count(*) FROM enhancement_history") == 1
    assert await product.count("SELECT count(*) FROM agent_executions WHERE lane IS NULL") == 1

    live = await product.ended(customer, (await replay(customer, original["id"], mode="live"))["id"])
    assert (live["status"], live["agent_version"]) == ("completed", 1)
    # The desk edits notes, so what the replay knows more than the first run stands in the agent's one note.
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    (note,) = await product.desk.notes(ticket_id)
    assert "INV-1001" in note["body"]
    assert await product.count("SELECT count(*) FROM enhancement_history") == 2
    listed = (await product.execution(customer, original["id"]))["replays"]
    assert [(one["id"], one["mode"], one["agent_version"]) for one in listed] == [
        (live["id"], "live", 1),
        (dry["id"], "dry_run", 2),
    ]
    entries = await product.rows("SELECT resource_id FROM audit_log WHERE operation = 'execution.replay'")
    assert {row["resource_id"] for row in entries} == {live["id"], dry["id"]}


async def test_a_failed_run_is_retried_with_the_right_ticket(product: Product) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    await product.start_worker()
    failed = await first_run(product, customer, "999999999999999999")
    assert failed["error_code"] == "desk-not-found"

    url = f"/api/v1/executions/{failed['id']}/retry-with"
    answer = await customer.client.post(url, json={"ticket_ref": ticket_id, "input": {"request_id": ticket_id}})
    assert answer.status_code == 202, answer.text
    done = await product.ended(customer, answer.json()["id"])

    assert (done["status"], done["retry_of"], done["attempt"]) == ("completed", failed["id"], 1)
    assert done["input_payload"] == {"request_id": ticket_id}
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    before = await product.execution(customer, failed["id"])
    assert (before["status"], before["retried_as"]["id"]) == ("failed", done["id"])
    assert before["dismissed_at"]
    again = await customer.client.post(url, json={"ticket_ref": ticket_id})
    assert again.status_code == 409
    assert done["id"] in again.json()["detail"]
