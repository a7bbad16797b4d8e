"""Asking the requester, end to end on each desk: asked in public, parked, and the same conversation goes on."""

from __future__ import annotations

import pytest
from tests.support.approvals import completed
from tests.support.asking import ANSWER, QUESTION, answered, asker, deliveries, heard, runs, waiting, words, write
from tests.support.desks import DESKS, words_of_html
from tests.support.product import Product


@pytest.mark.parametrize("tool_type", DESKS)
async def test_on_each_desk_the_requesters_answer_continues_the_same_conversation(
    product: Product, tool_type: str
) -> None:
    desk = await product.open_desk(tool_type)
    customer = await asker(product, desk=desk)
    await product.start_worker()
    ticket_id = await desk.file_ticket("It does not work")
    run = await waiting(product, customer)
    [question] = await desk.notes(ticket_id)
    assert question["public"] is True
    assert words_of_html(question["html"]) == words(QUESTION)
    assert (run["error_code"], run["waits_for"]["question"]) == ("requester", QUESTION)
    assert run["waits_for"]["until"] <= run["not_before"]

    await write(desk, ticket_id, "He is on the phone.", author="bob@acme.test", public=False)
    await write(desk, ticket_id)
    done = await completed(product, customer, run["id"])
    assert [words(body) for body in answered(product)] == [words(ANSWER)]
    # One conversation: two calls of the model, the first of them from the journal, and one question on the ticket.
    assert [step["name"] for step in done["steps"] if step["kind"] in ("model", "write")] == [
        "model", "ask_requester", "model",
    ]  # fmt: skip
    continued = [one for one in await deliveries(product) if "continued execution" in (one["reason"] or "")]
    assert continued
    assert {one["execution_id"] for one in continued} == {run["id"]}


async def test_two_answers_in_one_moment_continue_the_run_once(product: Product) -> None:
    customer = await asker(product)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await waiting(product, customer)
    seen = len(await deliveries(product))
    for body in ("The ThinkPad.", "And the error is 0x80070005."):
        await write(product.desk, ticket_id, body)
    await completed(product, customer, run["id"])
    both = (await heard(product, seen + 2))[-2:]
    assert {one["outcome"] for one in both} == {"coalesced"}
    assert {one["execution_id"] for one in both} == {run["id"]}
    assert len(await runs(customer)) == 1
    assert len(product.model.chats) == 2
