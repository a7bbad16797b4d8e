"""What the tests of the desks' pages share: the administrator's browser, and a desk that answers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape

import httpx2
from sqlalchemy import select
from tests.support.api import Api
from tests.support.desks import DESK_KEY, KINDS, new_simulator
from tests.support.people import account, browser, form

from deskhand.audit.models import AuditLog
from deskhand.simulators.base import DeskSimulator
from deskhand.simulators.base.server import run_in_process
from deskhand.tenants.connections import read_extras, stored_values
from deskhand.tenants.models import TenantConfig

BOSS = "boss@example.com"
DESKS = "/tenants/acme/desks"
NEW_TENANT = {
    "desk": "servicedesk_plus",
    "tenant_id": "umbrella",
    "name": "Umbrella",
    "desk.servicedesk_url": "https://desk.example.com",
    "desk.servicedesk_api_key": "k" * 30,
}
"""What the form of a new tenant sends."""


@dataclass
class DeskPages:
    """The desks' pages of the tenant acme, in its administrator's browser."""

    api: Api
    boss: httpx2.AsyncClient

    async def post(self, path: str, **boxes: str) -> httpx2.Response:
        """Send a form of the pages, the connection's boxes by the names of their fields."""
        fields = {f"desk.{name}": text for name, text in boxes.items()}
        return await form(self.boss, DESKS, f"{DESKS}/{path}", **fields)

    async def page(self, path: str = "") -> str:
        """A page that is there."""
        answer = await self.boss.get(f"{DESKS}/{path}".rstrip("/"))
        assert answer.status_code == 200, answer.text
        return answer.text

    async def tenant(self) -> TenantConfig:
        """The tenant as it is stored."""
        async with self.api.db.tenant_session("acme") as session:
            return (await session.scalars(select(TenantConfig))).one()

    async def stored(self, tool_type: str) -> dict[str, object]:
        """The connection to one desk, decrypted."""
        return stored_values(await self.tenant(), tool_type, self.api.state.secrets)

    async def extras(self) -> dict[str, dict[str, object]]:
        """What is stored beyond the columns."""
        return read_extras(await self.tenant(), self.api.state.secrets)

    async def log(self) -> list[AuditLog]:
        """What the audit log has of the tenant, oldest first."""
        async with self.api.db.tenant_session("acme") as session:
            rows = await session.scalars(select(AuditLog).order_by(AuditLog.sequence))
            return [row for row in rows if row.operation == "tenant.update"]


async def desk_pages(api: Api, **fields: object) -> DeskPages:
    """A tenant with ServiceDesk Plus, and its administrator."""
    await api.tenant(**fields)
    await account(api, BOSS, acme="tenant_admin")
    return DeskPages(api, await browser(api, BOSS, "acme"))


@contextlib.asynccontextmanager
async def answering(tool_type: str) -> AsyncIterator[tuple[DeskSimulator, dict[str, str]]]:
    """A simulated desk, and what has to be typed to connect it."""
    simulator = new_simulator(tool_type)
    async with run_in_process(simulator.build()) as server:
        kind = KINDS[tool_type]
        typed = {**kind.connection(simulator, server.url), **kind.extras(simulator, server.url)}
        yield simulator, {name: str(value) for name, value in typed.items()}


def said(html: str) -> str:
    """The words of a page's main part, without its tags."""
    main = html[html.index("<main") : html.index("</main>")]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


__all__ = ["BOSS", "DESKS", "DESK_KEY", "NEW_TENANT", "DeskPages", "answering", "desk_pages", "said"]
