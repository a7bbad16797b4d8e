"""People who are told what happened: facts, and a teller that the test drives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import httpx2
from sqlalchemy import select, text
from tests.support.api import Api
from tests.support.notices import Office
from tests.support.people import account

from deskhand.access.models import User
from deskhand.kit.http import HttpClientFactory
from deskhand.notifications.gathering import Fact, add
from deskhand.notifications.links import StopLinks
from deskhand.notifications.models import Kind, Notification
from deskhand.work.notices.telling import Teller

BASE = "https://desk.example.com"
_RUNS = text("""
    INSERT INTO agent_executions (tenant_id, agent_id, agent_version_id, tool_type, ticket_ref, status, attempt)
    SELECT a.tenant_id, a.id, v.id, 'servicedesk_plus', n::text, 'running', 1
      FROM agents a JOIN agent_versions v ON v.agent_id = a.id, generate_series(1042, 1041 + :runs) n
     WHERE a.id = :agent RETURNING id
""")
_END = text("""
    UPDATE agent_executions SET status = :status, error_code = :code, error_message = :message, output_result = :output
     WHERE id = ANY(:ids)
""")


class World(Protocol):
    """A running API with the tenant acme."""

    api: Api


@dataclass
class Told:
    """A tenant whose people are told."""

    office: Office
    teller: Teller
    agents: dict[str, UUID] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        return self.office.api

    async def name(self, **rules: Any) -> httpx2.Response:
        """Set who is told."""
        body = {"enhancement_preferences": {"notifications": rules}}
        return await self.office.admin.patch("/api/v1/tenants/acme", json=body)

    async def agent(self, name: str = "Triage") -> UUID:
        """An agent of this name, made at its first use."""
        if name not in self.agents:
            self.agents[name] = UUID((await self.api.agent(self.office.admin, name=name))["id"])
        return self.agents[name]

    async def end(
        self,
        runs: int = 1,
        *,
        agent: str = "Triage",
        status: str = "failed",
        code: str | None = "desk-permission",
        message: str | None = None,
        output: str | None = None,
    ) -> list[UUID]:
        """Let so many runs of an agent end, one after another."""
        agent_id = await self.agent(agent)
        async with self.api.db.tenant_session("acme") as session:
            ids = list(await session.scalars(_RUNS, {"agent": agent_id, "runs": runs}))
            values = {"status": status, "code": code, "message": message, "output": output, "ids": ids}
            await session.execute(_END, values)
        return ids

    async def look(self, *, after: int = 2) -> list[str]:
        """Let the teller look, some minutes later, until nothing is due; the subjects of what was mailed by now."""
        await self.tick()  # what happened is gathered, and its time begins to run
        async with self.api.db.tenant_session("acme") as session:
            for table, column in (
                ("notification_facts", "happened_at"),
                ("notification_facts", "look_at"),
                ("notifications", "due_at"),
                ("notifications", "closed_at"),
            ):
                statement = f"UPDATE {table} SET {column} = {column} - make_interval(mins => :minutes)"
                await session.execute(text(statement), {"minutes": after})
        await self.tick()
        return self.subjects()

    async def tick(self) -> None:
        """One look of a worker."""
        await self.teller.tick()

    def subjects(self) -> list[str]:
        """Of what was mailed by now."""
        return [str(mail["Subject"]) for mail in self.office.mailbox.mails]

    def stop_link(self) -> str:
        """The address in the header of the last mail."""
        found = re.fullmatch(r"<(\S+)>", str(self.office.mailbox.mails[-1]["List-Unsubscribe"]))
        assert found
        return found[1]

    async def messages(self) -> list[Notification]:
        """All messages, the oldest first."""
        async with self.api.db.tenant_session("acme") as session:
            return list(await session.scalars(select(Notification).order_by(Notification.created_at, Notification.id)))

    async def facts(self) -> list[tuple[str, str, bool]]:
        """Kind and cause of each fact, and whether somebody has still to see to it."""
        statement = text(
            "SELECT kind, cause, look_at IS NOT NULL FROM notification_facts ORDER BY happened_at, fact_key"
        )
        async with self.api.db.tenant_session("acme") as session:
            return [(row[0], row[1], row[2]) for row in await session.execute(statement)]


def teller_of(office: Office, pool: asyncpg.Pool[asyncpg.Record]) -> Teller:
    """A teller that mails as if people's browsers found the console behind TLS."""
    http = HttpClientFactory(allow_private=True)
    return Teller(pool, office.api.db, office.api.state.secrets, http, public_url=BASE)


def a_fact(number: int = 1, **other: Any) -> Fact:
    """A run that failed, in the minute of this number."""
    values: dict[str, Any] = {
        "fact_key": f"failure:{number}",
        "kind": Kind.FAILURE,
        "cause": "a:desk-permission",
        "label": "Triage",
        "detail": "desk-permission",
        "ticket": str(1041 + number),
        "happened_at": datetime.fromisoformat(f"2026-11-29T09:{number % 60:02}:00+00:00"),
    }
    return Fact(**{**values, **other})


async def told_of(api: Api, recipient: str, *, tenant: str = "acme", **columns: Any) -> UUID:
    """A message to somebody, as it stands after it failed."""
    failed = {"state": "failed", "why": "The mail server answered 550: no such box", "attempt": 1}
    long = a_fact(2, cause="b", label="Donaudampfschifffahrtsgesellschaft " * 8)
    values = {"pace": "now", "items": add({}, [a_fact(), long]), "due_at": api.state.clock(), **failed, **columns}
    async with api.db.tenant_session(tenant) as session:
        row = Notification(tenant_id=tenant, recipient=recipient, **values)
        session.add(row)
        await session.flush()
        return row.id


async def failed_message(world: World) -> dict[str, str]:
    """The id of a message that failed."""
    return {"notification_id": str(await told_of(world.api, "mail:ann@acme.example"))}


async def stop_token(api: Api, email: str) -> str:
    """What a link in a mail to a member of acme carries."""
    async with api.db.platform_session() as session:
        user_id = (await session.execute(select(User.id).where(User.email == email))).scalar_one()
    return StopLinks(api.state.secrets, BASE).address("acme", user_id).partition("token=")[2]


async def one_who_is_told(world: World) -> dict[str, str]:
    """A member who could be told, and the token that stops it."""
    count = len(_MADE) + 1
    email = f"told{count}@acme.example"
    _MADE.append(email)
    await account(world.api, email, acme="viewer")
    return {"token": await stop_token(world.api, email)}


_MADE: list[str] = []

NOTIFICATION_CALLS: tuple[tuple[str, Any, Any, str, Any], ...] = (
    ("PATCH /api/v1/notifications/choices", ("notification.choose",), lambda _: {"failure": "digest"}, "ann", None),
    ("POST /notifications", ("notification.choose",), lambda _: {"doubt": "digest"}, "ann", None),
    ("POST /notifications/stop", ("notification.choose",), dict, "nobody", one_who_is_told),
    (
        "POST /api/v1/notifications/{notification_id}/send",
        ("notification.send_again",),
        lambda _: {},
        "key",
        failed_message,
    ),
    ("POST /notifications/{notification_id}/send", ("notification.send_again",), lambda _: {}, "ann", failed_message),
)
"""For the audit's tests: what changes something, what it records, what is sent, by whom, and what is there first."""


async def unsent(api: Api, tenant: str) -> dict[str, str]:
    """For the matrix of permissions: the id of a message of a tenant that failed."""
    return {"notification_id": str(await told_of(api, "mail:ann@acme.example", tenant=tenant))}


NOTIFYING = """\
public          GET /notifications/stop
public          POST /notifications/stop
tenant_admin    GET /api/v1/notifications
viewer          GET /api/v1/notifications/choices
viewer          PATCH /api/v1/notifications/choices
tenant_admin    POST /api/v1/notifications/{notification_id}/send
viewer          GET /notifications
viewer          POST /notifications
tenant_admin    POST /notifications/{notification_id}/send
"""
"""For the matrix of permissions: who may do what here."""
