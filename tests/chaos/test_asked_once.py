"""``kill -9`` around a question to the requester: asked once, answered once, and the conversation goes on."""

from __future__ import annotations

import signal

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.approvals import completed, told
from tests.support.asking import asker, first_run, runs, waiting, write
from tests.support.product import Product

from deskhand.work.executor import OWN_WRITE

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("moment", [
    {"statement": "end_step", "when": "before", "step": "open_question:"},
    {"statement": "begin_step", "when": "after", "step": "ask_requester:"},
    {"statement": "end_step", "when": "before", "step": "ask_requester:"},
    {"statement": "end_step", "when": "after", "step": "ask_requester:"},
    {"statement": "begin_step", "when": "after", "step": "await_requester:"},
    {"statement": "finish_execution", "when": "before"},
], ids=["opened", "before the reply", "replied", "reply known", "looking", "before it parks"])  # fmt: skip
async def test_killed_between_the_reply_and_parking_it_asks_once_and_hears_what_came_meanwhile(
    product: Product, worker_process: StartProcess, moment: dict[str, str]
) -> None:
    customer = await asker(product)
    victim = await worker_process(stale_after=60.0, **moment)
    ticket_id = await product.desk.file_ticket()
    assert await victim.wait() == -signal.SIGKILL
    asked = [note["author"] for note in await product.desk.notes(ticket_id)]
    # The requester is quicker than the next worker; where the question is not there yet, there is nothing to answer.
    if asked:
        await write(product.desk, ticket_id)
    await product.start_worker(stale_after=STALE_AFTER)
    if not asked:
        await waiting(product, customer)
        await write(product.desk, ticket_id)
    run = await completed(product, customer, (await runs(customer))[-1]["id"])
    assert [step["name"] for step in run["steps"] if step["kind"] == "write"] == ["ask_requester"]
    public = [note for note in await product.desk.notes(ticket_id) if note["public"]]
    assert len(public) == 2
    assert told(product)[-1]["answered"] is True
    # Where the desk told of our own reply too late to be heard, its run has found that it was ours.
    for late in (await runs(customer))[:-1]:
        ended = await product.ended(customer, late["id"])
        assert (ended["status"], ended["not_written"]) == ("completed", OWN_WRITE), ended


@pytest.mark.parametrize("moment", [
    {"statement": "start_execution", "when": "after"},
    {"statement": "end_step", "when": "before", "step": "await_requester:"},
    {"statement": "end_step", "when": "after", "step": "await_requester:"},
], ids=["before the look", "answer read", "answer kept"])  # fmt: skip
async def test_killed_between_the_answer_and_going_on_it_goes_on_once(
    product: Product, worker_process: StartProcess, moment: dict[str, str]
) -> None:
    customer = await asker(product)
    await product.start_worker(stale_after=STALE_AFTER)
    ticket_id = await product.desk.file_ticket()
    run = await waiting(product, customer)
    await product.stop_workers()
    victim = await worker_process(stale_after=60.0, **moment)
    await write(product.desk, ticket_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    await completed(product, customer, run["id"])
    assert told(product)[-1]["answered"] is True
    # The question was read back from the journal; the run asked the model once more, for its end.
    assert len(product.model.chats) == 2
    assert [one["id"] for one in await runs(customer)] == [run["id"]]
    assert (await first_run(product, customer))["status"] == "completed"
