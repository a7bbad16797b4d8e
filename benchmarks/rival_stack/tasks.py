"""The working end: a Celery task that marks its job, waits for something, and writes the result.

Worker: ``celery -A rival_stack.tasks worker -P threads -c 200``; Celery has no asyncio pool. Messages are acknowledged
late, so that a killed worker's jobs come back; each process takes only what it can run at once.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from functools import cache

import httpx
from celery import Celery
from psycopg_pool import ConnectionPool

app = Celery("rival", broker=os.environ["RIVAL_REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue="jobs",
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_pool_limit=10,
)

START = "UPDATE jobs SET status = 'running', started_at = clock_timestamp() WHERE id = %s AND status <> 'completed'"
FINISH = "UPDATE jobs SET status = 'completed', result = %s, finished_at = clock_timestamp() WHERE id = %s"
TICKET = "SELECT ticket_ref FROM jobs WHERE id = %s"
SET_TENANT = "SELECT set_config('app.tenant', %s, true)"


@cache
def pool() -> ConnectionPool:
    """Connections of the process, shared by its threads; none is held while a job waits."""
    made = ConnectionPool(os.environ["RIVAL_DATABASE_URL"], min_size=4, max_size=32, open=True)
    atexit.register(made.close)
    return made


@cache
def client() -> httpx.Client:
    """HTTP connections of the process, shared by its threads."""
    return httpx.Client(timeout=30, limits=httpx.Limits(max_connections=200, max_keepalive_connections=200))


@app.task(name="run_job")
def run_job(tenant_id: str, job_id: str) -> None:
    """What the table of I/O-bound runs measures: two commits around a wait."""
    with pool().connection() as connection:
        connection.execute(SET_TENANT, (tenant_id,))
        if connection.execute(START, (job_id,)).rowcount == 0:
            return
    wait = float(os.environ.get("RIVAL_WAIT", "0.05"))
    if wait:
        time.sleep(wait)
    result = json.dumps({"answer": "done", "waited": wait})
    with pool().connection() as connection:
        connection.execute(SET_TENANT, (tenant_id,))
        connection.execute(FINISH, (result, job_id))
