"""Two workers in network namespaces of their own; one loses its cable to the database in the middle of a run.

Its cable to the desk stays: it goes on working, cannot tell anybody, and must not do anything twice. Packets vanish
without a word (no reset, no closed connection), as when a switch dies.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.chaos.conftest import StartFor
from tests.chaos.networks import DATABASE, HOME, WORLD, Lab, open_lab, why_not
from tests.support.desks import Desk
from tests.support.logins import open_database
from tests.support.product import Customer, Product, running_product, until

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres

pytestmark = pytest.mark.chaos

STALE_AFTER = 5.0


@dataclass(frozen=True)
class Site:
    """The product at home, the desk and the model in the world, two rooms for workers.

    Attributes:
        worker: Options of a worker in a room: its addresses are those on the switches.
    """

    lab: Lab
    product: Product
    customer: Customer
    desk: Desk
    worker: dict[str, Any]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with open_lab(rooms=2) as lab:
        yield lab


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.fixture(scope="module")
async def site(lab: Lab, own_postgres: Callable[..., EmbeddedPostgres]) -> AsyncIterator[Site]:
    server = own_postgres()
    admin.upgrade(server.owner_url)
    async with AsyncExitStack() as stack:
        db = open_database(server.app_url, platform_url=server.platform_url)
        stack.push_async_callback(db.dispose)
        product = await stack.enter_async_context(running_product(db, server.app_url, server.platform_url))
        await stack.enter_async_context(lab.door(DATABASE, port_of(server.app_url)))
        # The desk's address is stored with the tenant, so it is one for the product and for its workers.
        await stack.enter_async_context(lab.everywhere(WORLD, port_of(product.desk.url)))
        await stack.enter_async_context(lab.door(WORLD, port_of(product.model_url)))
        worker = {
            "app_url": server.app_url.replace(HOME, lab.address(DATABASE)),
            "model_url": product.model_url.replace(HOME, lab.address(WORLD)),
            "stale_after": STALE_AFTER,
        }
        yield Site(lab, product, await product.customer(), product.desk, worker)


@pytest.mark.parametrize("intent", ["written", "not-yet-written"])
async def test_a_worker_without_its_database_does_nothing_twice(
    site: Site, processes_of: StartFor, intent: str
) -> None:
    product, customer, start = site.product, site.customer, processes_of(site.product)
    here, there = site.lab.rooms
    ticket_id = await site.desk.file_ticket()
    when = {"statement": "begin_step", "step": "add_note", "when": "after" if intent == "written" else "before"}
    answer = await product.deliver(customer, ticket_id, delivery_id=f"d-{ticket_id}")
    execution_id = str(answer.json()["execution_id"])
    cut_off = await start(network=here.pid, **site.worker, **when, execution=execution_id, signal=signal.SIGSTOP)

    async def at_the_moment() -> bool:
        return cut_off.frozen

    await until(at_the_moment)
    here.cut(DATABASE)
    cut_off.send_signal(signal.SIGCONT)

    async def written() -> bool:
        return bool((await site.desk.effects(ticket_id))["notes"])

    if intent == "written":
        await until(written)  # by the worker that cannot tell anybody
    other = await start(network=there.pid, **site.worker)
    execution = await product.ended(customer, execution_id)
    here.mend(DATABASE)

    async def knows() -> bool:
        return bool(cut_off.said("claim_lost") or cut_off.said("run_abandoned"))

    await until(knows)
    assert execution["status"] == "completed"
    assert execution["attempt"] >= 2
    (note,) = [step for step in execution["steps"] if step["name"] == "add_note"]
    assert bool(note["output"].get("adopted")) is (intent == "written")

    # Back on the network, it is a worker like any other.
    other.send_signal(signal.SIGTERM)
    assert await other.wait() == 0
    second = await site.desk.file_ticket()
    answer = await product.deliver(customer, second, delivery_id=f"d-{second}")
    execution = await product.ended(customer, answer.json()["execution_id"])
    assert (execution["status"], execution["attempt"]) == ("completed", 1)
    for one in (ticket_id, second):
        effects = await site.desk.effects(one)
        assert (effects["notes"], set(effects["marks"].values())) == (1, {1})
