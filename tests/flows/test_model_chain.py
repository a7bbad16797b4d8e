"""A tenant's own gateway is down, end to end: the note comes from the next model, and everybody is told which."""

from __future__ import annotations

from tests.flows.test_budget import note_of
from tests.flows.test_first_light import with_history
from tests.support.gateways import connected
from tests.support.product import Product

from deskhand.simulators.models import LlmSimulator, Reply

DOWN = Reply(status=503, error={"message": "overloaded"})


async def test_the_next_model_writes_the_note_where_the_tenants_own_gateway_is_down(product: Product) -> None:
    customer = await product.customer()
    await with_history(product, customer)
    await product.point_desk_at(customer)
    async with LlmSimulator(script=lambda _: DOWN, api_key="sk-of-acme") as own:
        await connected(
            customer.client,
            kind="openai_compatible",
            base_url=own.base_url,
            api_key="sk-of-acme",
            aliases={"gpt-4": "gpt-4o"},
            is_default=True,
        )
        chain = {"models": {"fallbacks": [{"model": "gpt-4o-mini", "connection": "installation"}]}}
        platform = await product.platform()
        changed = await platform.patch("/api/v1/tenants/acme", json={"enhancement_preferences": chain})
        assert changed.status_code == 200, changed.text
        await customer.client.post("/api/v1/budgets", json={"scope": "tenant", "period": "month", "amount_usd": "9.00"})
        await product.start_worker()
        note, run = await note_of(product, customer, "VPN drops after the update")
        assert {seen.body["model"] for seen in own.chats} == {"gpt-4o"}
        assert {seen.headers["authorization"] for seen in own.chats} == {"Bearer sk-of-acme"}
    assert {seen.body["model"] for seen in product.model.chats} == {"gpt-4o-mini"}
    assert "gpt-4o-mini" in note
    assert (run["status"], run["degraded"]) == ("completed", False)
    page = (await customer.client.get(f"/executions/{run['id']}")).text
    assert "did not answer (unavailable)" in page
    assert "model connection &#39;house&#39;" in page
    spent = (await customer.client.get("/api/v1/budgets/spending")).json()["items"]
    states = {(call["model"], call["state"]) for call in spent}
    assert states == {("gpt-4o", "released"), ("gpt-4o-mini", "settled")}
