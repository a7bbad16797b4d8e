"""A worker is killed between an MCP tool's effect and our journal: no second call, unless twice is as once."""

from __future__ import annotations

import json
import signal

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.mcp_servers import scripted
from tests.support.product import Product
from tests.support.source_runs import calling, technician

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("repeatable", [False, True])
async def test_killed_between_the_effect_and_our_journal(
    product: Product, worker_process: StartProcess, repeatable: bool
) -> None:
    with scripted() as server:
        customer = await technician(product, server.url, ["restart"], "restart", repeatable=repeatable)
        product.model.script = calling(("prn_restart", {"name": "prn-4"}))
        ticket = await product.desk.file_ticket()
        answer = await product.deliver(customer, ticket, delivery_id=ticket)
        execution_id = answer.json()["execution_id"]
        victim = await worker_process(
            stale_after=60.0, statement="end_step", when="before", step="restart", execution=execution_id
        )
        assert await victim.wait() == -signal.SIGKILL
        assert server.called == ["restart"]
        await product.start_worker(stale_after=STALE_AFTER)
        run = await product.ended(customer, execution_id)
        if not repeatable:
            assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
            body = {"step_key": run["question"]["step_key"], "done": True}
            url = f"/api/v1/executions/{execution_id}/answer"
            assert (await customer.client.post(url, json=body)).is_success
            run = await product.ended(customer, execution_id)
        assert run["status"] == "completed", run
        assert server.called == ["restart"] * (2 if repeatable else 1)
        calls = [one["params"] for one in server.messages if one.get("method") == "tools/call"]
        # The key is the same on each attempt, for a server that looks.
        assert len({json.dumps(call["_meta"]) for call in calls}) == 1
