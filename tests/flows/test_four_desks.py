"""One agent, four desks: moved from one to the other it writes the same note, internal, once, and hears no echo."""

from __future__ import annotations

from difflib import ndiff

import pytest
from tests.support.desks import DESKS, KINDS, words_of_html, words_of_markdown
from tests.support.four_desks import AGENT, Landed, note_on_every_desk
from tests.support.product import Product

STEPS = ["get_ticket", "search_tickets", "search_knowledge", "find_systems", "model", "add_note"]


def each(landed: dict[str, Landed], expected: object) -> dict[str, object]:
    """The same for every desk, so that a failing comparison names the desk that differs."""
    return dict.fromkeys(landed, expected)


def differences(expected: list[str], found: list[str]) -> list[str]:
    return [line for line in ndiff(expected, found) if not line.startswith("  ")]


async def test_the_same_agent_writes_the_same_note_on_every_desk(product: Product) -> None:
    landed = await note_on_every_desk(product)

    assert set(landed) == set(DESKS)
    composed = {tool: one.execution["note"]["markdown"] for tool, one in landed.items()}
    reference = composed["servicedesk_plus"]
    assert "INV-1001" in reference
    assert {tool: differences(reference.splitlines(), text.splitlines()) for tool, text in composed.items()} == each(
        landed, []
    )
    said = words_of_markdown(reference)
    shown = {tool: differences(said, words_of_html(one.notes[0]["html"])) for tool, one in landed.items()}
    assert shown == each(landed, [])

    sources = {tool: [source["ref"] for source in one.execution["note"]["sources"]] for tool, one in landed.items()}
    assert sources == each(landed, sources["servicedesk_plus"])
    assert {tool: [step["name"] for step in one.execution["steps"]] for tool, one in landed.items()} == each(
        landed, STEPS
    )
    assert {tool: one.execution["tool_type"] for tool, one in landed.items()} == {tool: tool for tool in landed}
    assert {tool: one.execution["ticket_ref"] for tool, one in landed.items()} == {
        tool: one.ticket_id for tool, one in landed.items()
    }

    # Internal, once, by our account; and our own note coming back through the vendor's webhook starts nothing.
    assert {tool: [note["public"] for note in one.notes] for tool, one in landed.items()} == each(landed, [False])
    assert {tool: (one.effects["notes"], one.effects["updates"]) for tool, one in landed.items()} == each(
        landed, (1, 0)
    )
    assert {tool: one.deliveries for tool, one in landed.items()} == each(landed, ["accepted", "ignored"])
    assert {tool: one.desk.simulator.store.bot.email for tool, one in landed.items()} == {
        tool: one.notes[0]["author"] for tool, one in landed.items()
    }
    assert await product.count("SELECT count(*) FROM agent_executions") == len(DESKS)


async def test_the_agents_differ_in_their_desk_alone(product: Product) -> None:
    shown = {}
    for tool in DESKS:
        desk = await product.open_desk(tool)
        customer = await product.customer(tool.replace("_", "-"), desk=desk, **AGENT)
        agent = (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()
        assert agent["tool_ids"] == [tool]
        same = {name: agent[name] for name in ("name", "system_prompt", "llm_config")}
        shown[tool] = {**same, "operations": agent["tool_operations"][tool]}
    assert shown == dict.fromkeys(DESKS, shown["servicedesk_plus"])


@pytest.mark.parametrize("tool", KINDS)
async def test_the_connection_of_each_desk_is_whole(product: Product, tool: str) -> None:
    if tool not in DESKS:
        pytest.skip(f"the plugin '{tool}' is not registered")
    desk = await product.open_desk(tool)
    customer = await product.customer(desk=desk)
    tested = (await customer.client.post(f"/api/v1/tenants/acme/connections/{tool}/test")).json()
    assert tested["ok"], tested
    assert all(check["ok"] for check in tested["checks"])
