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

DESK_URL = os.environ.get("RIVAL_DESK_URL", "")
WAIT = float(os.environ.get("RIVAL_WAIT", "0.05"))  # seconds, where no desk is given

START = (
    "UPDATE jobs SET status = 'running', started_at = clock_timestamp() WHERE id = %s AND status <> 'completed'"
    " RETURNING ticket_ref"
)
FINISH = "UPDATE jobs SET status = 'completed', result = %s, finished_at = clock_timestamp() WHERE id = %s"
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
    """Mark the job, do it, write its result: two commits around the work."""
    with pool().connection() as connection:
        connection.execute(SET_TENANT, (tenant_id,))
        row = connection.execute(START, (job_id,)).fetchone()
    if row is None:
        return
    result = first_look(row[0]) if DESK_URL else wait()
    with pool().connection() as connection:
        connection.execute(SET_TENANT, (tenant_id,))
        connection.execute(FINISH, (json.dumps(result), job_id))


def wait() -> dict[str, object]:
    """Stands for input and output."""
    if WAIT:
        time.sleep(WAIT)
    return {"answer": "done", "waited": WAIT}


def first_look(ticket_id: str) -> dict[str, object]:
    """Read the ticket, ask the model, write a note. No search, no citation check, no mark against a second note."""
    desk = {"authtoken": os.environ["RIVAL_DESK_KEY"], "Accept": "application/vnd.manageengine.sdp.v3+json"}
    url = f"{DESK_URL}/api/v3/requests/{ticket_id}"
    ticket = client().get(url, headers=desk).raise_for_status().json()["request"]
    question = {
        "model": "gpt-4",
        "temperature": 0.0,
        "messages": [
            {"role": "system", "content": "You prepare technicians: what is it about, and what should they do next?"},
            {"role": "user", "content": f"{ticket['subject']}\n{ticket.get('description', '')}"},
        ],
    }
    asked = client().post(f"{os.environ['RIVAL_MODEL_URL']}/chat/completions", json=question).raise_for_status().json()
    answer = asked["choices"][0]["message"]["content"]
    note = {"note": {"description": answer, "show_to_requester": False}}
    client().post(f"{url}/notes", headers=desk, data={"input_data": json.dumps(note)}).raise_for_status()
    return {"answer": answer}
