"""The receiving end: verify the signature, store the delivery once, store the job, hand it to Celery, answer 202.

Run by uvicorn (uvloop, httptools). The order is the usual one: commit first, then publish, so that a worker never
meets a job that is not there yet. What is lost if the process dies in between is this design's own hole.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from rival_stack.tasks import run_job

TOLERANCE = 300  # seconds a signed timestamp may be off
AGENT_TTL = 30.0  # seconds an agent's secret is kept in memory

engine = create_async_engine(os.environ["RIVAL_SQLALCHEMY_URL"], pool_size=16, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)

SET_TENANT = text("SELECT set_config('app.tenant', :tenant, true)")
FIND_AGENT = text("SELECT tenant_id, secret FROM agents WHERE id = :id AND is_active")
NEW_DELIVERY = text(
    "INSERT INTO deliveries (tenant_id, agent_id, delivery_id, event, ticket_ref, body_sha256, body_bytes, job_id)"
    " VALUES (:tenant, :agent, :delivery, :event, :ticket, :sha, :bytes, :job)"
    " ON CONFLICT (agent_id, delivery_id) DO NOTHING RETURNING id"
)
OLD_DELIVERY = text("SELECT job_id FROM deliveries WHERE agent_id = :agent AND delivery_id = :delivery")
NEW_JOB = text(
    "INSERT INTO jobs (id, tenant_id, agent_id, ticket_ref, payload)"
    " VALUES (:job, :tenant, :agent, :ticket, CAST(:payload AS jsonb))"
)


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """What is kept of an agent."""

    tenant_id: str
    key: bytes
    read_at: float


known: dict[uuid.UUID, KnownAgent] = {}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/agents/{agent_id}/webhook", status_code=202)
async def receive(agent_id: uuid.UUID, request: Request) -> dict[str, Any]:
    body = await request.body()
    agent = await find_agent(agent_id)
    delivery_id = verify(agent.key, request, body)
    payload = json.loads(body)
    ticket = payload.get("request", {}).get("id")
    if not isinstance(ticket, str):
        raise HTTPException(400, "no ticket")
    job_id = uuid.uuid4()
    async with sessions.begin() as session:
        stored = await store(session, agent, agent_id, delivery_id, body, payload, ticket, job_id)
    if stored is not None:
        return {"status": "duplicate", "job_id": stored}
    run_job.delay(agent.tenant_id, str(job_id))
    return {"status": "accepted", "job_id": job_id}


async def store(
    session: AsyncSession,
    agent: KnownAgent,
    agent_id: uuid.UUID,
    delivery_id: str,
    body: bytes,
    payload: dict[str, Any],
    ticket: str,
    job_id: uuid.UUID,
) -> uuid.UUID | None:
    """Both rows; or the job of an earlier delivery with this id."""
    await session.execute(SET_TENANT, {"tenant": agent.tenant_id})
    delivery = {
        "tenant": agent.tenant_id,
        "agent": agent_id,
        "delivery": delivery_id,
        "event": payload.get("event"),
        "ticket": ticket,
        "sha": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "job": job_id,
    }
    if (await session.execute(NEW_DELIVERY, delivery)).first() is None:
        found = await session.execute(OLD_DELIVERY, {"agent": agent_id, "delivery": delivery_id})
        return found.scalar_one()
    job = {"job": job_id, "tenant": agent.tenant_id, "agent": agent_id, "ticket": ticket, "payload": body.decode()}
    await session.execute(NEW_JOB, job)
    return None


async def find_agent(agent_id: uuid.UUID) -> KnownAgent:
    """From memory for a while, else from the table."""
    agent = known.get(agent_id)
    if agent is not None and time.monotonic() - agent.read_at < AGENT_TTL:
        return agent
    async with sessions() as session:
        row = (await session.execute(FIND_AGENT, {"id": agent_id})).first()
    if row is None:
        raise HTTPException(404, "unknown")
    key = base64.b64decode(row.secret.removeprefix("whsec_"))
    agent = known[agent_id] = KnownAgent(row.tenant_id, key, time.monotonic())
    return agent


def verify(key: bytes, request: Request, body: bytes) -> str:
    """Standard Webhooks: HMAC-SHA256 of id, timestamp and body; the id of the delivery if it fits."""
    headers = request.headers
    delivery_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not delivery_id or not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
        raise HTTPException(401, "timestamp")
    signed = f"{delivery_id}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split(" ")):
        raise HTTPException(401, "signature")
    return delivery_id
