"""``kill -9`` around the reading of a ticket's files: the next worker reads them, or has read them, and notes once."""

from __future__ import annotations

import base64
import signal

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.four_desks import AGENT
from tests.support.product import Product
from tests.support.written_pictures import pictures_in, sighted, written

pytestmark = pytest.mark.chaos

LOG = {"name": "trace.log", "content": base64.b64encode(b"ERROR 0x80070035 on files01").decode()}


@pytest.mark.parametrize(
    ("statement", "when"), [("begin_step", "after"), ("end_step", "before"), ("end_step", "after")]
)
async def test_killed_while_it_reads_files_the_next_worker_knows_what_they_say(
    product: Product, worker_process: StartProcess, statement: str, when: str
) -> None:
    customer = await product.customer(**AGENT)
    victim = await worker_process(stale_after=60.0, statement=statement, when=when, step="read_files")
    ticket_id = await product.desk.file_ticket("It does not work", "See the log.", attachments=[LOG])
    answer = await product.deliver(customer, ticket_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, answer.json()["execution_id"])
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert [step["name"] for step in run["steps"]].count("read_files") == 1
    query = next(step for step in run["steps"] if step["name"] == "search_tickets")["input"]["query"]
    assert "0x80070035" in query
    effects = await product.desk.effects(ticket_id)
    assert (effects["notes"], set(effects["marks"].values())) == (1, {1})


async def test_killed_when_a_model_has_seen_a_picture_no_model_is_shown_it_again(
    product: Product, worker_process: StartProcess
) -> None:
    product.model.script = sighted(product.model.script)
    customer = await product.customer(**{**AGENT, "llm_config": {"model": "gpt-4-turbo"}})
    body = {"enhancement_preferences": {"notes": {"pictures": "anywhere"}}}
    assert (await customer.client.patch("/api/v1/tenants/acme", json=body)).is_success
    victim = await worker_process(stale_after=60.0, statement="end_step", when="after", step="read_pictures")
    screen = {"name": "screen.png", "content": base64.b64encode(written("ERROR 0x80070035")).decode()}
    ticket_id = await product.desk.file_ticket("It does not work", "See the picture.", attachments=[screen])
    answer = await product.deliver(customer, ticket_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, answer.json()["execution_id"])
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert len([chat for chat in product.model.chats if pictures_in(chat.body)]) == 1
    assert "Read by gpt-4-turbo: screen.png." in run["read"]
    query = next(step for step in run["steps"] if step["name"] == "search_tickets")["input"]["query"]
    assert "0x80070035" in query
    assert run["tokens_in"] == sum(step["tokens_in"] for step in run["steps"])
