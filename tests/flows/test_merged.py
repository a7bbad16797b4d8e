"""Tickets that are merged at each boundary of a run: the run ends, and nothing is written on what was merged."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.desks import DESKS
from tests.support.merging import merge
from tests.support.product import Product, until
from tests.work.test_standing_back import answering, meanwhile

from deskhand.simulators.base import WebhookTarget
from deskhand.work import timeliness
from deskhand.work.merging import GONE

SAID = {"servicedesk_plus": GONE, "zendesk": "The ticket was merged into", "jira": "", "servicenow": ""}


async def pair(product: Product, tool: str, kind: str) -> tuple[Any, Any, str, str]:
    desk = product.desk if tool == "servicedesk_plus" else await product.open_desk(tool)
    customer = await answering(product, desk, kind=kind)
    into = await desk.file_ticket("VPN is down")
    await product.point_desk_at(customer)
    return desk, customer, await desk.file_ticket(), into


async def only_run(product: Product, customer: Any) -> dict[str, Any]:
    async def started() -> list[dict[str, Any]]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    (first, *_) = await until(started)
    return dict(await product.ended(customer, first["id"]))


def ours(desk: Any) -> list[str]:
    bot = desk.simulator.store.bot
    return [note.body for one in desk.simulator.store.tickets.values() for note in one.notes if note.author is bot]


@pytest.mark.parametrize("tool", DESKS)
async def test_merged_between_answer_and_write_no_ticket_gets_anything(product: Product, tool: str) -> None:
    desk, customer, source, into = await pair(product, tool, "reply")

    def act() -> None:
        desk.simulator.sender.target = WebhookTarget()
        merge(desk.simulator, source, into)

    product.model.script = meanwhile(act)
    await product.start_worker()
    run = await only_run(product, customer)
    assert run["status"] == "completed", run
    assert run["not_written"].startswith(SAID[tool] or f"The ticket was merged into ticket {into}; nothing was "), run
    assert ours(desk) == [], "neither the answer nor a note that stands for it"


@pytest.mark.parametrize("looks", [True, False], ids=["looks again", "is told by the desk's answer"])
async def test_of_a_ticket_that_went_into_another_one_a_note_is_not_owed(
    product: Product, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    if looks:
        monkeypatch.setattr(timeliness, "SECONDS_OF_A_LOOK", 0.0)
    desk, customer, source, into = await pair(product, "servicedesk_plus", "note")

    def act() -> None:
        desk.simulator.sender.target = WebhookTarget()
        merge(desk.simulator, source, into)

    product.model.script = meanwhile(act)
    await product.start_worker()
    run = await only_run(product, customer)
    assert (run["status"], run["not_written"], ours(desk)) == ("completed", GONE, []), run


async def test_merged_before_the_run_began_no_model_is_asked_though_a_person_asks_for_it(product: Product) -> None:
    desk, customer, source, into = await pair(product, "jira", "note")
    merge(desk.simulator, source, into)
    await product.start_worker()
    run = await only_run(product, customer)
    said = f"The ticket was merged into ticket {into}; nothing was written."
    assert (run["status"], run["not_written"]) == ("completed", said)
    replay = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "live"})
    asked = await product.ended(customer, replay.json()["id"])
    assert (asked["not_written"], product.model.chats, ours(desk)) == (said, [], [])
