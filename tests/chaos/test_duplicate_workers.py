"""Workers that cannot be told apart, and jobs that come twice or make no sense: one run, one note, a worker that lives.

PgQueuer may hand a job out twice, and a queue can hold what nobody meant: truth is the execution's row.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import asyncpg
import pytest
from tests.chaos.conftest import StartProcess
from tests.chaos.workers import Worker
from tests.conftest import DatabaseUrls
from tests.support.product import Customer, Product, until

from deskhand.engine.queue import notify_workers
from deskhand.simulators.base.faults import Fault

pytestmark = pytest.mark.chaos

SAME = "worker-7:1:00000000"  # host name, process number and all: as two copies of one container image could be


def encode_job(tenant_id: str, execution_id: uuid.UUID) -> bytes:
    """A job as the engine's SQL writes it."""
    return f"{tenant_id}:{execution_id}".encode()


RUBBISH = [None, b"", b"\xff\xfe\x00", b"acme", b"acme:not-a-uuid", b"\x00" * 9000, json.dumps({"id": 7}).encode()]


async def queue_again(urls: DatabaseUrls, payload: bytes | None) -> int:
    """Put a job into PgQueuer by hand; returns its id."""
    connection = await asyncpg.connect(urls.superuser_url)
    try:
        return int(
            await connection.fetchval(
                "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'execution', $1, 'queued')"
                " RETURNING id",
                payload,
            )
        )
    finally:
        await connection.close()


async def work_is_over(product: Product) -> bool:
    return await product.count("SELECT count(*) FROM pgqueuer") == 0


async def check_one_run_one_note(product: Product, customer: Customer, ticket_id: str, execution_id: str) -> None:
    execution = await product.ended(customer, execution_id)
    assert (execution["status"], execution["attempt"]) == ("completed", 1)
    effects = await product.desk.effects(ticket_id)
    assert effects["notes"] == 1
    assert set(effects["marks"].values()) == {1}
    written = "SELECT count(*) FROM execution_steps WHERE name = 'add_note' AND state = 'finished'"
    assert await product.count(written) == 1
    assert await product.count("SELECT count(*) FROM agent_executions") == 1


def refusals(worker: Worker, execution_id: str) -> list[str]:
    return [line["verdict"] for line in worker.said("execution_not_started", execution_id=execution_id)]


async def test_two_workers_with_one_name_and_one_job_many_times_make_one_run(
    product: Product, worker_process: StartProcess, database_urls: DatabaseUrls
) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket_id)
    execution_id = str(answer.json()["execution_id"])
    job = encode_job(customer.tenant_id, uuid.UUID(execution_id))
    for _ in range(6):  # while it is queued
        await queue_again(database_urls, job)
    # The run is held at its first call, so that duplicates meet it running.
    product.desk.simulator.faults.add(Fault(kind="slow", delay=2.0, method="GET", count=1))
    workers = [await worker_process(worker_id=SAME, concurrency=2) for _ in range(2)]

    async def both_refused_it() -> bool:
        found = await product.execution(customer, execution_id)
        if found["status"] == "running":
            await queue_again(database_urls, job)
            await notify_workers(product.pool)
        return all(refusals(worker, execution_id) for worker in workers) or found["status"] == "completed"

    await until(both_refused_it)
    await check_one_run_one_note(product, customer, ticket_id, execution_id)
    await queue_again(database_urls, job)  # and once more when it is over

    async def told_it_is_over() -> bool:
        return any("ended" in refusals(worker, execution_id) for worker in workers)

    await until(told_it_is_over)
    await until(lambda: work_is_over(product))
    await check_one_run_one_note(product, customer, ticket_id, execution_id)
    verdicts = [verdict for worker in workers for verdict in refusals(worker, execution_id)]
    assert set(verdicts) <= {"active", "ended"}
    assert "active" in verdicts


async def test_a_worker_survives_jobs_that_mean_nothing_and_says_so(
    product: Product, worker_process: StartProcess, database_urls: DatabaseUrls
) -> None:
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    worker = await worker_process()
    gone, no_tenant = uuid.uuid4(), uuid.uuid4()
    rubbish = [await queue_again(database_urls, payload) for payload in RUBBISH]
    await queue_again(database_urls, encode_job(customer.tenant_id, gone))
    await queue_again(database_urls, encode_job("nobody", no_tenant))
    answer = await product.deliver(customer, ticket_id)
    await check_one_run_one_note(product, customer, ticket_id, str(answer.json()["execution_id"]))
    await until(lambda: work_is_over(product))

    assert refusals(worker, str(gone)) == refusals(worker, str(no_tenant)) == ["gone"]
    assert said_about(worker) == {str(job) for job in rubbish}
    assert worker.returncode is None


def said_about(worker: Worker) -> set[str]:
    """Jobs that the worker reported as failed."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in worker.log.read_text().splitlines()]
    return {str(line["event"]).rpartition("/")[2] for line in lines if line["level"] == "error"}
