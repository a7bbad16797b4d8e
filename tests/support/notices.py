"""A tenant that tells people of what waits: its mail server, its chats, and a notifier that the test drives."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import select, text
from tests.support.api import Api
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.lent import LENDER
from tests.support.logins import PROVER
from tests.support.mail import Mailbox, running_mailbox
from tests.support.people import account

from deskhand.access.models import User
from deskhand.agents.models import Agent
from deskhand.approvals.models import ApprovalNotice, NoticeState
from deskhand.approvals.notices import LINK, MAIL
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import key_digest, new_api_key
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.simulators.outside import OutsideSimulator
from deskhand.work.notices.sending import Notifier

ANN, BOB = "ann@acme.example", "bob@acme.example"


async def pass_time(db: Database, tenant_id: str, minutes: int) -> None:
    """Let so many minutes pass for what waits to be told, and for what was."""
    async with db.tenant_session(tenant_id) as session:
        for table, column in (("approval_notices", "changed_at"), ("approvals", "notify_at")):
            statement = f"UPDATE {table} SET {column} = {column} - make_interval(mins => :minutes)"
            await session.execute(text(statement), {"minutes": minutes})


async def notice_states(db: Database, tenant_id: str) -> list[str]:
    """Where the notices of a tenant stand, one for each call and recipient."""
    async with db.tenant_session(tenant_id) as session:
        rows = await session.execute(text("SELECT state FROM approval_notices ORDER BY recipient, approval_id"))
        return [row.state for row in rows]


async def mailed_link(db: Database, tenant_id: str, approval_id: str, email: str) -> str:
    """The secret of a link to a call, as it stood in a mail to a member."""
    token = new_api_key(LINK)
    async with db.platform_session() as session:
        user_id = (await session.execute(select(User.id).where(User.email == email))).scalar_one()
    async with db.tenant_session(tenant_id) as session:
        session.add(
            ApprovalNotice(
                tenant_id=tenant_id,
                approval_id=UUID(approval_id),
                recipient=f"{MAIL}:{email}",
                message_id=uuid4(),
                state=NoticeState.SENT,
                user_id=user_id,
                secret_hash=key_digest(token),
                digest="0" * 64,
            )
        )
    return token


@dataclass
class Office:
    """What the tests of notices look at."""

    api: Api
    admin: httpx2.AsyncClient
    mailbox: Mailbox
    chats: OutsideSimulator
    notifier: Notifier
    tenant_id: str = "acme"

    async def set_notices(self, **rules: Any) -> httpx2.Response:
        """Name who is told."""
        four_eyes = rules.pop("four_eyes", False)
        preferences = {"approvals": {"four_eyes": four_eyes, "notices": rules}}
        return await self.admin.patch(
            f"/api/v1/tenants/{self.tenant_id}", json={"enhancement_preferences": preferences}
        )

    async def call(self, number: str = "1042", **columns: Any) -> UUID:
        """A call that waits, of a run that waits for its answer; due to be told of."""
        agents = (await self.admin.get("/api/v1/agents")).json()["items"]
        made = agents[0] if agents else await self.api.agent(self.admin)
        async with self.api.db.tenant_session(self.tenant_id) as session:
            agent = await session.get_one(Agent, UUID(made["id"]))
        console = Console(self.api.url, self.api.db, self.api.app)
        status = columns.pop("run_status", "waiting")
        run = await console.execution(agent, status=status, attempt=1)
        ticket = {"number": number, "subject": "Payroll of the board leaked", "priority": "low"}
        due = {"notify_at": utc_now(), "ticket_id": number, "ticket": ticket}
        return await waiting_approval(self.api.db, self.tenant_id, run, **{**due, **columns})

    async def look(self, *, after: int = 0) -> list[str]:
        """Let the notifier look, some minutes later; the subjects of what was mailed by now."""
        await pass_time(self.api.db, self.tenant_id, after)
        await self.notifier.tick()
        return [str(mail["Subject"]) for mail in self.mailbox.mails]

    def words(self, number: int = -1) -> str:
        """What one mail says."""
        return str(self.mailbox.mails[number].get_content())

    def links(self, number: int = -1) -> list[str]:
        """Where the links of one mail lead."""
        return re.findall(r"https?://\S+", self.words(number))


@contextlib.asynccontextmanager
async def running_office(api: Api, app_url: str, **rules: Any) -> AsyncIterator[Office]:
    """A tenant with two members who answer, its mail and its chats; ``rules`` as of notices."""
    async with running_mailbox() as mailbox, OutsideSimulator() as chats:
        admin = await api.tenant()
        extras = {"email": mailbox.settings("example.org"), **chats.settings()}
        changed = await admin.patch("/api/v1/tenants/acme", json={"connection_extras": extras})
        assert changed.is_success, changed.text
        await account(api, ANN, acme="operator")
        await account(api, BOB, acme="tenant_admin")
        pool = await LENDER.pool(app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
        http = HttpClientFactory(allow_private=True)
        notifier = Notifier(pool, api.db, api.state.secrets, http, public_url=api.url)
        try:
            office = Office(api, admin, mailbox, chats, notifier)
            if rules:
                answer = await office.set_notices(**rules)
                assert answer.is_success, answer.text
            yield office
        finally:
            await pool.close()
