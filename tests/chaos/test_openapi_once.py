"""A worker is killed between an OpenAPI tool's effect and our journal: no second POST; a DELETE is made again."""

from __future__ import annotations

import signal

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.flows.test_openapi_tools import calling, shopper
from tests.support.openapi import shop_server
from tests.support.product import Product

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize(
    ("name", "arguments", "repeatable"),
    [("placeOrder", {"body": {"item": "lamp"}}, False), ("delete_orders_id", {"id": "AB-1"}, True)],
)
async def test_killed_between_the_effect_and_our_journal(
    product: Product, worker_process: StartProcess, name: str, arguments: dict[str, object], repeatable: bool
) -> None:
    async with shop_server() as shop:
        customer = await shopper(product, [name], server=shop.url)
        product.model.script = calling((f"shop_{name}", arguments))
        ticket = await product.desk.file_ticket()
        answer = await product.deliver(customer, ticket, delivery_id=ticket)
        execution_id = answer.json()["execution_id"]
        victim = await worker_process(
            stale_after=60.0, statement="end_step", when="before", step=name, execution=execution_id
        )
        assert await victim.wait() == -signal.SIGKILL
        assert len(shop.requests) == 1
        await product.start_worker(stale_after=STALE_AFTER)
        run = await product.ended(customer, execution_id)
        if not repeatable:
            assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
            body = {"step_key": run["question"]["step_key"], "done": True}
            url = f"/api/v1/executions/{execution_id}/answer"
            assert (await customer.client.post(url, json=body)).is_success
            run = await product.ended(customer, execution_id)
        assert run["status"] == "completed", run
        assert len(shop.requests) == (2 if repeatable else 1)
