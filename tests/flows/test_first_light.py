"""The main job, end to end: a ticket is filed, the desk signs a webhook, the note is on the ticket."""

from __future__ import annotations

from pathlib import Path

from tests.support.product import Customer, Product, until

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import Embedder, LexicalOnly, load_embedder
from deskhand.simulators.models import Reply

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"


async def with_history(product: Product, customer: Customer, *, embedder: Embedder | None = None) -> None:
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=embedder or LexicalOnly())


async def note_on(product: Product, ticket_id: str) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        notes = await product.desk.notes(ticket_id)
        return notes[0] if notes else None

    return await until(look)


async def the_execution(product: Product, customer: Customer) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        listed = (await customer.client.get("/api/v1/executions")).json()["items"]
        return listed[0] if listed else None

    found = await until(look)
    return await product.ended(customer, str(found["id"]))


async def test_the_note_is_on_the_ticket(product: Product) -> None:
    customer = await product.customer()
    await with_history(product, customer, embedder=load_embedder())
    await product.point_desk_at(customer)
    await product.start_worker(embedder=load_embedder())
    ticket_id = await product.desk.file_ticket()

    note = await note_on(product, ticket_id)
    execution = await the_execution(product, customer)

    assert execution["status"] == "completed"
    assert "INV-1001" in str(note["body"])
    assert note["public"] is False
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    assert [step["name"] for step in execution["steps"]] == [
        "get_ticket",
        "search_tickets",
        "search_knowledge",
        "find_systems",
        "model",
        "add_note",
    ]
    assert execution["note"]["word_count"] <= 500
    assert execution["tokens_in"] > 0
    assert await product.count("SELECT count(*) FROM enhancement_history WHERE status = 'completed'") == 1
    cited = [one["ref"] for one in execution["note"]["sources"] if one["kind"] == "ticket"]
    grounds = await product.rows(
        "SELECT h.ticket_id, g.enhancement_id, g.embedding_model = h.embedding_model AS same,"
        " embedding_similarity(g.embedding, h.embedding) AS near"
        " FROM note_grounds g CROSS JOIN unnest(g.sources) s (id) JOIN ticket_history h ON h.id = s.id"
    )
    assert sorted(row["ticket_id"] for row in grounds) == sorted(cited)
    assert {str(row["enhancement_id"]) for row in grounds} == {execution["id"]}
    assert all(row["same"] and row["near"] > 0.85 for row in grounds), "the vector that was searched with"
    assert await product.count("SELECT count(*) FROM audit_log WHERE operation = 'desk.add_note'") == 1


async def test_our_own_note_coming_back_starts_nothing(product: Product) -> None:
    customer = await product.customer()
    await product.point_desk_at(customer)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    await note_on(product, ticket_id)

    async def echo() -> int:
        return await product.count("SELECT count(*) FROM webhook_deliveries WHERE outcome = 'ignored'")

    assert await until(echo) == 1
    assert await product.count("SELECT count(*) FROM agent_executions") == 1


async def test_without_sources_the_note_says_so_and_nothing_invented_is_in_it(product: Product) -> None:
    customer = await product.customer()
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("The coffee machine hums", "It hums in B flat.")
    answer = await product.deliver(customer, ticket_id)
    execution = await product.ended(customer, answer.json()["execution_id"])

    assert execution["status"] == "completed"
    note = str((await note_on(product, ticket_id))["body"])
    assert "No similar" in note
    assert "simulated" not in note


async def test_a_model_that_recovers_is_asked_again_by_itself(product: Product) -> None:
    customer = await product.customer()
    await with_history(product, customer)
    await product.start_worker()
    product.model.replies.append(Reply(status=500))
    ticket_id = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket_id)
    execution = await product.ended(customer, answer.json()["execution_id"])

    assert execution["status"] == "completed"
    assert execution["attempt"] == 2
    assert (await product.desk.effects(ticket_id))["notes"] == 1


async def test_a_ticket_that_does_not_exist_fails_with_the_desks_words(product: Product) -> None:
    customer = await product.customer()
    await product.start_worker()
    answer = await product.deliver(customer, "999999999999999999")
    execution = await product.ended(customer, answer.json()["execution_id"])

    assert execution["status"] == "failed"
    assert execution["error_code"] == "desk-not-found"


async def test_a_cancelled_run_writes_nothing(product: Product) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket_id)
    execution_id = answer.json()["execution_id"]
    cancelled = await customer.client.post(f"/api/v1/executions/{execution_id}/cancel")
    assert cancelled.is_success
    await product.start_worker()
    execution = await product.ended(customer, execution_id)

    assert execution["status"] == "cancelled"
    assert await product.desk.notes(ticket_id) == []
