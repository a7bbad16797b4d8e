"""500 deliveries about one ticket, doubled, out of order and with our own echo among them: the right runs, no loop."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from tests.support.product import Customer, Product, until

from deskhand.simulators.base import OutboundEvent, SimNote, SimTicket

DELIVERIES = "SELECT delivery_id, outcome, execution_id FROM webhook_deliveries WHERE ticket_ref = $1"
RUNS = "SELECT id, status, attempt FROM agent_executions WHERE ticket_ref = $1"
STEPS = "SELECT count(*) FROM execution_steps WHERE name = $1"
AT_ONCE = 16


class Gate:
    """An embedder that makes no vectors and lets nothing through until it is opened: it holds a run in its research."""

    name: str | None = None

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        self.reached.set()
        assert self.opened.wait(timeout=60), "nobody opened the gate"
        return [None] * len(texts)


async def busy_customer(product: Product) -> Customer:
    """A customer whom no limit stops."""
    customer = await product.customer()
    await product.set_limits(customer.tenant_id, webhooks_per_minute=100_000, executions_per_hour=100_000)
    return customer


def ticket_of(product: Product, ticket_id: str) -> SimTicket:
    ticket = product.desk.simulator.store.get(ticket_id)
    assert ticket is not None
    return ticket


def saves(product: Product, ticket_id: str, count: int) -> list[OutboundEvent]:
    """What the desk would send for that many saves by technicians, in the order of the saves."""
    simulator, ticket = product.desk.simulator, ticket_of(product, ticket_id)
    people = [simulator.store.person(f"tech{n}@acme.test", is_agent=True) for n in range(5)]
    events = []
    for number in range(count):
        person = people[number % len(people)]
        simulator.store.update(ticket, {"subject": f"VPN drops ({number})"}, by=person)
        events.append(simulator.event("updated", ticket, actor=person, note=None))
    return events


def echoes(product: Product, ticket_id: str, count: int) -> list[OutboundEvent]:
    """Our own note coming back, again and again: under our account, with the id that the journal recorded."""
    simulator, ticket = product.desk.simulator, ticket_of(product, ticket_id)
    ours = next(note for note in ticket.notes if note.author is simulator.store.bot)
    events = []
    for number in range(count):
        told_at = ours.created_at + timedelta(seconds=number)  # each is a delivery of its own
        note = SimNote(ours.id, ours.body, public=False, author=ours.author, created_at=told_at)
        events.append(simulator.event("note", ticket, actor=ours.author, note=note))
    return events


async def send_all(product: Product, customer: Customer, events: Sequence[OutboundEvent]) -> Counter[str]:
    """Every event, signed, several at once; returns how often each answer was given."""
    url, slots = f"{product.api.url}/agents/{customer.agent_id}/webhook", asyncio.Semaphore(AT_ONCE)

    async def post(client: httpx2.AsyncClient, event: OutboundEvent) -> httpx2.Response:
        headers = {"content-type": "application/json", **event.sign(datetime.now(UTC))}
        return await client.post(url, content=event.body, headers=headers)

    async def send(client: httpx2.AsyncClient, event: OutboundEvent) -> str:
        async with slots:
            answer = await post(client, event)
            while answer.status_code == 503:  # as desks do, and as we tell them
                await asyncio.sleep(float(answer.headers["retry-after"]))
                answer = await post(client, event)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["status"])

    async with product.http.client() as client:
        return Counter(await asyncio.gather(*(send(client, event) for event in events)))


@asynccontextmanager
async def watched(product: Product, ticket_id: str) -> AsyncIterator[list[tuple[int, int]]]:
    """Looks at the rows all the while: (running, not yet started) runs of the ticket."""
    seen: list[tuple[int, int]] = []
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            states = Counter((row["status"], row["attempt"] > 0) for row in await product.rows(RUNS, ticket_id))
            seen.append((states["running", True], states["queued", False]))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        over.set()
        await task


async def settled(product: Product, ticket_id: str) -> list[str]:
    """Statuses of the ticket's runs, once none is under way and every webhook of the desk has been answered."""

    async def look() -> list[str]:
        sent = await product.desk.webhooks()
        statuses = [str(row["status"]) for row in await product.rows(RUNS, ticket_id)]
        return [] if sent["pending"] or {"queued", "running"} & set(statuses) else statuses

    return await until(look, patience=240)


async def check_books(product: Product, ticket_id: str, *, distinct: int) -> int:
    """What must hold after any storm, read from the rows; returns the number of runs."""
    statuses = await settled(product, ticket_id)
    assert set(statuses) == {"completed"}
    runs = {row["id"] for row in await product.rows(RUNS, ticket_id)}
    deliveries = await product.rows(DELIVERIES, ticket_id)
    outcomes = Counter(row["outcome"] for row in deliveries)
    assert len(deliveries) == len({row["delivery_id"] for row in deliveries}) == distinct
    assert outcomes["accepted"] == len(runs)  # each run was started by exactly one delivery
    assert {row["execution_id"] for row in deliveries if row["outcome"] in ("accepted", "coalesced")} == runs
    assert all(row["execution_id"] is None for row in deliveries if row["outcome"] == "ignored")
    effects = await product.desk.effects(ticket_id)
    assert effects["notes"] == await notes_written(product) >= 1
    assert effects["notes"] + await product.count(STEPS, "keep_last_note") == len(runs)
    assert set(effects["marks"].values()) == {1}
    assert await product.count("SELECT count(*) FROM agent_executions") == len(runs)
    return len(runs)


async def notes_written(product: Product) -> int:
    """Runs that found something new to say; the others say whose note they would have repeated."""
    return await product.count(STEPS, "add_note")


async def test_500_deliveries_while_one_run_is_at_work_make_one_more(product: Product) -> None:
    customer = await busy_customer(product)
    # The desk only makes and signs the events here; the test sends them.
    (await product.desk.client.put("/_sim/webhooks", json={"secret": customer.secret})).raise_for_status()
    gate = Gate()
    gate.opened.set()
    await product.start_worker(embedder=gate, limits={"timeout": 240.0})
    ticket_id = await product.desk.file_ticket()
    first = await product.deliver(customer, ticket_id, delivery_id="first")
    assert (await product.ended(customer, first.json()["execution_id"]))["status"] == "completed"
    own = echoes(product, ticket_id, 50)

    gate.opened.clear()
    gate.reached.clear()
    await product.deliver(customer, ticket_id, delivery_id="second")
    await until(lambda: asyncio.to_thread(gate.reached.wait, 1.0))

    changes = saves(product, ticket_id, 150)
    storm = [*changes, *changes, *random.Random(4).choices(changes, k=100), *own, *own]
    random.Random(5).shuffle(storm)
    assert len(storm) == 500
    async with watched(product, ticket_id) as seen:
        try:
            answers = await send_all(product, customer, storm)
            held = Counter(row["status"] for row in await product.rows(RUNS, ticket_id))
        finally:
            gate.opened.set()
        runs = await check_books(product, ticket_id, distinct=2 + len(changes) + len(own))

    assert held == {"completed": 1, "running": 1, "queued": 1}
    assert answers == {"accepted": answers["accepted"], "coalesced": answers["coalesced"], "ignored": 2 * len(own)}
    assert answers["accepted"] + answers["coalesced"] == 400
    assert runs == 3  # the first, the one at work, and one for all that came meanwhile
    assert set(seen) <= {(1, 0), (1, 1), (0, 1), (0, 0)}


@pytest.mark.parametrize(("copies", "hold"), [(10, 0), (10, 50)], ids=["ten-copies", "newest-first"])
async def test_a_desk_that_sends_everything_ten_times_makes_no_loop(product: Product, copies: int, hold: int) -> None:
    customer = await busy_customer(product)
    await product.point_desk_at(customer, copies=copies, hold=hold)
    await product.start_worker(limits={"timeout": 240.0})
    simulator = product.desk.simulator
    ticket_id = await product.desk.file_ticket()
    ticket = ticket_of(product, ticket_id)
    people = [simulator.store.person(f"tech{n}@acme.test", is_agent=True) for n in range(5)]

    async with watched(product, ticket_id) as seen:
        for number in range(49):
            simulator.change(ticket, {"subject": f"VPN drops ({number})"}, by=people[number % 5])
            await asyncio.sleep(0)
        runs, echoed = 0, -1
        while echoed != runs:  # our own notes are held back, too, and must start nothing when they come
            simulator.sender.flush()
            await settled(product, ticket_id)
            echoed, runs = runs, len(await product.rows(RUNS, ticket_id))
        simulator.sender.flush()
        notes = await notes_written(product)
        runs = await check_books(product, ticket_id, distinct=50 + notes)

    sent = (await product.desk.webhooks())["deliveries"]
    assert len(sent) == copies * (50 + notes)
    assert {one["attempts"][-1] for one in sent} == {202}
    # A machine that is slower than the door's patience sheds load, and the desk sends that again.
    assert {status for one in sent for status in one["attempts"][:-1]} <= {503}
    assert 1 <= runs <= 50
    assert set(seen) <= {(1, 0), (1, 1), (0, 1), (0, 0)}
