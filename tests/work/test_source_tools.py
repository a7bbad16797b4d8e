"""A tenant's own tools in a run: what is refused never leaves the machine, what is allowed is done once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.product import Customer, Product
from tests.support.sources import Shop, add_shop

from deskhand.connectors.errors import SourceError, SourceRefusedError, SourceUnavailableError, SourceUnreachableError
from deskhand.kit.crypto import SecretBox
from deskhand.simulators.models import Reply, obliging

EVERY = ["get_order", "cancel", "touch"]


def calling(*calls: tuple[str, Mapping[str, Any]]) -> Any:
    """A model that makes these calls one after the other, whatever it is offered, then answers."""

    def script(body: Mapping[str, Any]) -> Reply:
        told = sum(message["role"] == "tool" for message in body["messages"])
        return Reply(tool_calls=(calls[told],)) if told < len(calls) else obliging(body)

    return script


async def shopper(product: Product, grants: Any, **agent: Any) -> Customer:
    customer = await product.customer(active=False)
    await add_shop(product.db, SecretBox(product.keys))
    wanted = {"tool_ids": ["servicedesk_plus", "openapi:shop"], "tool_operations": {"openapi:shop": grants}, **agent}
    for answer in (
        await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=wanted),
        await customer.client.post(f"/api/v1/agents/{customer.agent_id}/activate"),
    ):
        assert answer.status_code == 200, answer.text
    await product.start_worker()
    return customer


async def run_of(product: Product, customer: Customer) -> dict[str, Any]:
    ticket = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket, delivery_id=ticket)
    return await product.ended(customer, answer.json()["execution_id"])


def steps(run: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    return [step for step in run["steps"] if step["name"] in names]


async def test_what_is_granted_is_called_once_marked_and_audited_and_what_is_not_never_leaves(
    product: Product,
) -> None:
    with Shop().in_place() as shop:
        customer = await shopper(product, ["get_order", "cancel"])
        product.model.script = calling(
            ("shop_touch", {"order": "7"}),
            ("shop_drop_all", {}),
            ("shop_get_order", {"order": "no such"}),
            ("shop_get_order", {"ordr": "7"}),
            ("shop_get_order", {"order": "7"}),
            ("shop_cancel", {"order": "7"}),
        )
        run = await run_of(product, customer)
    assert run["status"] == "completed", run
    assert [(name, arguments) for name, arguments, _ in shop.calls] == [
        ("get_order", {"order": "7"}),
        ("cancel", {"order": "7"}),
    ]
    offered = {tool["function"]["name"] for tool in product.model.seen[0].body["tools"]}
    assert offered >= {"shop_get_order", "shop_cancel"}
    assert not offered & {"shop_touch", "shop_drop_all"}
    [read], [write] = steps(run, "get_order"), steps(run, "cancel")
    assert (read["kind"], write["kind"]) == ("tool", "write")
    assert write["mark"] == shop.calls[1][2] != ""
    assert write["input"] == {"tool": "openapi:shop", "operation": "cancel", "revision": 1, "arguments": {"order": "7"}}
    assert write["output"] == {"body": "did cancel"}
    assert "no such order" in str(steps(run, "refuse_call")[0]["output"])
    [entry] = await product.rows("SELECT * FROM audit_log WHERE operation = 'tool.call'")
    assert (entry["resource_type"], entry["resource_id"]) == ("openapi:shop", "cancel")
    assert entry["actor"].startswith("agent:")


async def test_a_dry_run_reads_and_only_intends_to_write(product: Product) -> None:
    with Shop().in_place() as shop:
        customer = await shopper(product, EVERY)
        product.model.script = calling(("shop_get_order", {"order": "7"}), ("shop_cancel", {"order": "7"}))
        live = await run_of(product, customer)
        shop.calls.clear()
        url = f"/api/v1/executions/{live['id']}/replay"
        started = await customer.client.post(url, json={})
        assert started.is_success, started.text
        dry = await product.ended(customer, started.json()["id"])
    assert (dry["status"], dry["mode"]) == ("completed", "dry_run"), dry
    assert [name for name, _, _ in shop.calls] == ["get_order"]
    [intent] = steps(dry, "cancel")
    assert (intent["kind"], intent["output"], intent["mark"]) == ("compute", {"intent": "cancel"}, None)


@pytest.mark.parametrize(
    ("error", "operation", "ends"),
    [
        (SourceRefusedError("Order 7 has left the house."), "cancel", "completed"),
        (SourceUnavailableError("The shop is closed."), "get_order", "completed"),
        (SourceError("The shop mumbled."), "cancel", "waiting"),
        (SourceUnreachableError("The shop is not there."), "cancel", "completed"),
        (SourceError("The shop mumbled."), "touch", "completed"),
    ],
)
async def test_what_a_source_refuses_is_told_what_is_open_waits_for_a_person(
    product: Product, error: SourceError, operation: str, ends: str
) -> None:
    def fail(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        raise error

    with Shop(answer=fail).in_place() as shop:
        customer = await shopper(product, EVERY)
        product.model.script = calling((f"shop_{operation}", {"order": "7"}))
        run = await run_of(product, customer)
        if ends == "waiting":
            assert (run["error_code"], run["question"]["operation"]) == ("in-doubt", "cancel")
            body = {"step_key": run["question"]["step_key"], "done": True}
            answered = await customer.client.post(f"/api/v1/executions/{run['id']}/answer", json=body)
            assert answered.status_code == 200, answered.text
            run = await product.ended(customer, run["id"])
    assert run["status"] == "completed", run
    assert [name for name, _, _ in shop.calls] == [operation]
    told = [
        message["content"]
        for seen in product.model.seen
        for message in seen.body["messages"]
        if message["role"] == "tool"
    ]
    assert error.detail in str(told) or ends == "waiting"


async def test_a_call_in_mode_approve_waits_and_is_made_as_it_was_approved(product: Product) -> None:
    with Shop().in_place() as shop:
        customer = await shopper(product, {"cancel": "approve"})
        product.model.script = calling(("shop_cancel", {"order": "7", "reason": "It is late."}))
        waiting = await run_of(product, customer)
        assert (waiting["status"], waiting["error_code"], shop.calls) == ("waiting", "approval-needed", [])
        [asked] = (await customer.client.get("/api/v1/approvals")).json()["items"]
        assert (asked["tool_id"], asked["reason"], asked["risk"]) == ("openapi:shop", "It is late.", "high")
        assert {"field": "order", "before": None, "after": "7"} in asked["differences"]
        url = f"/api/v1/approvals/{asked['id']}"
        wrong = await customer.client.post(
            f"{url}/change", json={"digest": asked["digest"], "arguments": {"ordr": "8"}}
        )
        assert wrong.status_code == 422, wrong.text
        changed = await customer.client.post(
            f"{url}/change", json={"digest": asked["digest"], "arguments": {"order": "8"}}
        )
        assert changed.status_code == 200, changed.text
        await customer.client.post(f"{url}/approve", json={"digest": changed.json()["digest"]})
        run = await product.ended(customer, waiting["id"])
    assert run["status"] == "completed", run
    assert [(name, arguments) for name, arguments, _ in shop.calls] == [("cancel", {"order": "8"})]
