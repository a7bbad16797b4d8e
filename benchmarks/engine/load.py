"""Signed webhooks, made beforehand and sent once each by wrk: the same bytes for both stacks."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deskhand.plugins.signatures import standard_headers

SCRIPT = Path(__file__).with_name("load.lua")
_tickets = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Target:
    """An agent both stacks know."""

    tenant_id: str
    agent_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What wrk saw.

    Attributes:
        refused: Answers of 400 and above.
        broken: Connections that failed, and answers that did not come.
        p50: Milliseconds; so are the others.
    """

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p95: float
    p99: float

    @property
    def accepted(self) -> int:
        return self.requests - self.refused

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds


def event_body(ticket: str) -> bytes:
    """What the script of ServiceDesk Plus sends about a new request: about 700 bytes."""
    person = {"id": "1201", "name": "Alice Example", "email_id": "alice@acme.example", "is_vipuser": False}
    request = {
        "id": ticket,
        "display_id": ticket,
        "subject": "VPN stops at 'verifying certificate' since this morning",
        "short_description": "Since the laptop was changed the client stops at 'verifying certificate'. Tried twice.",
        "status": {"id": "3", "name": "Open"},
        "priority": {"id": "2", "name": "Medium"},
        "group": {"id": "11", "name": "Network"},
        "requester": person,
        "created_time": {"value": "1795219200000", "display_value": "Nov 21, 2026 09:00 AM"},
    }
    return json.dumps({"event": "request.created", "request": request, "updated_by": person, "diff": None}).encode()


def signed_request(target: Target, ticket: str, *, now: datetime, delivery_id: str | None = None) -> bytes:
    """One raw HTTP request over a kept connection."""
    body = event_body(ticket)
    headers = standard_headers(target.secret, body, message_id=delivery_id or f"msg_{uuid.uuid4().hex}", now=now)
    head = [
        f"POST /agents/{target.agent_id}/webhook HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def prepare(targets: Sequence[Target], count: int, file: Path) -> None:
    """Write requests with delivery ids and tickets never used before, over all agents in turn."""
    with file.open("wb") as out:
        for raw in fresh(targets, count):
            out.write(f"{len(raw)}\n".encode() + raw)


def fresh(targets: Sequence[Target], count: int) -> Iterator[bytes]:
    """Requests with delivery ids and tickets never used before, over all agents in turn."""
    now = datetime.now(UTC)
    for target in itertools.islice(itertools.cycle(targets), count):
        yield signed_request(target, str(100_000 + next(_tickets)), now=now)


def run(url: str, file: Path, *, connections: int, seconds: int) -> Loaded:
    """A closed loop: each connection sends its next request when the last one was answered."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", SCRIPT, url, "--", file]
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    line = next(one for one in said.splitlines() if one.startswith("JSON "))
    return Loaded(**json.loads(line.removeprefix("JSON ")))


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an API."""
    host, _, port = url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> None:
    """Send one event and read its answer.

    Raises:
        RuntimeError: It was not accepted.
    """
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    body = await reader.readexactly(int(length[1]) if length else 0)
    if b" 202 " not in head.split(b"\r\n", 1)[0] or b'"accepted"' not in body:
        raise RuntimeError(f"{head.decode()}{body.decode()}")


async def send_all(url: str, targets: Sequence[Target], count: int, *, connections: int = 16) -> None:
    """Send so many events and read every answer: how a queue is filled, through the front door."""
    waiting = fresh(targets, count)

    async def sender() -> None:
        reader, writer = await connect(url)
        for raw in waiting:
            await exchange(reader, writer, raw)
        writer.close()

    await asyncio.gather(*(sender() for _ in range(connections)))
