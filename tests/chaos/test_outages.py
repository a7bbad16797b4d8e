"""Frozen workers, a desk that is down, a database that restarts, workers that stop: nothing lost, nothing doubled."""

from __future__ import annotations

import signal
from functools import partial

import asyncpg
import pytest
from pgqueuer import PgQueuer
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.chaos.workers import Worker
from tests.support.product import Product, until

from deskhand.simulators.base.faults import Fault

pytestmark = pytest.mark.chaos


async def is_frozen(worker: Worker) -> bool:
    """Whether it took the run and stopped: one that begins slowly would find the run another's."""
    return worker.frozen


async def test_a_frozen_worker_wakes_too_late_and_writes_nothing(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    frozen = await worker_process(statement="begin_step", when="after", step="add_note", signal=signal.SIGSTOP)
    answer = await product.deliver(customer, ticket_id)
    execution_id = answer.json()["execution_id"]

    await until(partial(is_frozen, frozen))
    await product.start_worker(stale_after=STALE_AFTER)
    execution = await product.ended(customer, execution_id)
    frozen.send_signal(signal.SIGCONT)
    frozen.send_signal(signal.SIGTERM)
    await frozen.wait()

    assert execution["status"] == "completed"
    assert execution["attempt"] >= 2
    assert (await product.desk.effects(ticket_id))["notes"] == 1


async def test_a_worker_frozen_inside_a_transaction_holds_nobody_up(
    product: Product, worker_process: StartProcess
) -> None:
    """The audit log is a chain, so its writers wait for each other: here one stops with the lock in its hand."""
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    frozen = await worker_process(statement="INSERT INTO audit_log", signal=signal.SIGSTOP)
    answer = await product.deliver(customer, ticket_id)

    await until(partial(is_frozen, frozen))
    await product.start_worker(stale_after=STALE_AFTER)
    execution = await product.ended(customer, answer.json()["execution_id"])
    frozen.send_signal(signal.SIGCONT)
    frozen.send_signal(signal.SIGTERM)
    await frozen.wait()

    assert execution["status"] == "completed", execution["error_message"]
    assert (await product.desk.effects(ticket_id))["notes"] == 1


async def test_a_write_whose_answer_was_lost_is_adopted_and_not_repeated(product: Product) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    product.desk.simulator.faults.add(Fault(kind="outage", after_effect=True, writes_only=True, count=1))
    await product.start_worker(stale_after=STALE_AFTER)
    answer = await product.deliver(customer, ticket_id)
    execution = await product.ended(customer, answer.json()["execution_id"])

    assert execution["status"] == "completed"
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    adopted = "SELECT count(*) FROM execution_steps WHERE name = 'add_note' AND (output ->> 'adopted')::boolean"
    assert await product.count(adopted) == 1


async def test_a_desk_that_is_down_is_waited_for(product: Product) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    await product.desk.server.stop()
    await product.start_worker(stale_after=STALE_AFTER)
    answer = await product.deliver(customer, ticket_id)
    execution_id = answer.json()["execution_id"]

    async def failed_once() -> bool:
        found = await product.execution(customer, execution_id)
        return found["status"] == "queued" and found["attempt"] >= 1

    await until(failed_once)
    await product.desk.server.start()
    execution = await product.ended(customer, execution_id)

    assert execution["status"] == "completed"
    assert (await product.desk.effects(ticket_id))["notes"] == 1


async def test_a_stopping_worker_finishes_what_it_has_begun(product: Product, worker_process: StartProcess) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    worker = await worker_process()
    answer = await product.deliver(customer, ticket_id)

    async def running() -> bool:
        return (await product.execution(customer, answer.json()["execution_id"]))["status"] != "queued"

    await until(running)
    worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0
    execution = await product.execution(customer, answer.json()["execution_id"])

    assert execution["status"] == "completed"
    assert execution["attempt"] == 1


async def test_a_listener_that_has_gone_deaf_is_replaced_and_the_worker_lives_on(product: Product) -> None:
    """As behind a proxy that drops LISTEN, or when PgQueuer's first probe overtakes its LISTEN on a busy machine."""
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    runner = await product.start_worker(stale_after=STALE_AFTER)
    _, loop = product.runners[0]

    async def listening() -> PgQueuer | None:
        queue = runner._queue
        driver = getattr(queue, "connection", None)
        return queue if driver is not None and driver._listener_connection is not None else None

    first = await until(listening)

    async def deafened() -> bool:
        try:
            await first.connection._listener_connection.execute("UNLISTEN *")
        except asyncpg.InterfaceError:  # PgQueuer was just using the connection
            return False
        return True

    await until(deafened)

    async def replaced() -> bool:
        assert not loop.done(), loop.exception()
        again = await listening()
        return again is not None and again is not first

    await until(replaced)
    answer = await product.deliver(customer, ticket_id)
    execution = await product.ended(customer, answer.json()["execution_id"])
    assert execution["status"] == "completed"
