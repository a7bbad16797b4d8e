"""The settings' pages: what a form of theirs must be sent with, and what is stored of it."""

from __future__ import annotations

import re
from typing import Any, Protocol

import httpx2
from sqlalchemy import select
from tests.support.api import Api
from tests.support.people import account, browser

from deskhand.tenants.models import TenantConfig

SETTINGS = "/settings"


class HasClients(Protocol):
    """What knows a browser of the tenant's administrator, as ``ann``, and a key's client as ``key``."""

    clients: dict[str, httpx2.AsyncClient]


async def boss(api: Api, tenant: str = "acme") -> httpx2.AsyncClient:
    """The browser of a tenant's administrator; the tenant is there."""
    await account(api, f"boss@{tenant}.example", **{tenant: "tenant_admin"})
    return await browser(api, f"boss@{tenant}.example", tenant)


async def hidden(client: httpx2.AsyncClient, action: str, page: str = SETTINGS) -> dict[str, str]:
    """What a form of a page has that nobody types."""
    html = (await client.get(page)).text
    form = html.partition(f'action="{action}"')[2]
    return dict(re.findall(r'<input type="hidden" name="(csrf|digest)" value="([0-9a-f]+)">', form)[:2])


async def send(client: httpx2.AsyncClient, action: str, *, page: str = SETTINGS, **boxes: str) -> httpx2.Response:
    """Send a form as the page would: dots of a box's name as two underscores."""
    typed = {f"box.{name.replace('__', '.')}": text for name, text in boxes.items()}
    return await client.post(action, data={**await hidden(client, action, page), **typed})


async def stored(api: Api, tenant: str = "acme") -> dict[str, Any]:
    """The tenant's preferences as they are kept."""
    async with api.db.tenant_session(tenant) as session:
        row = (await session.scalars(select(TenantConfig))).one()
        return {**row.enhancement_preferences, "company_mapping": row.company_mapping}


async def notes_form(world: HasClients) -> dict[str, str]:
    """For the audit's tests: a form about notes as the page has it."""
    return {"section": "notes", **await hidden(world.clients["ann"], f"{SETTINGS}/notes")}


async def rule_form(world: HasClients) -> dict[str, str]:
    """For the audit's tests: a rule, and the form that changes it."""
    rule = {"machines": [{"name": "Nagios", "requester": ["nagios@example.com"]}]}
    answer = await world.clients["key"].patch("/api/v1/tenants/acme", json={"enhancement_preferences": rule})
    assert answer.status_code == 200, answer.text
    page = f"{SETTINGS}/rules/machines/0"
    return {"rule_kind": "machines", "place": "0", **await hidden(world.clients["ann"], page, page)}


SETTINGS_FORMS = (
    (
        "POST /settings/{section}",
        lambda ids: {"digest": ids["digest"], "box.notes.verdict_link": "true"},
        notes_form,
    ),
    (
        "POST /settings/rules/{rule_kind}/{place}",
        lambda ids: {"digest": ids["digest"], "box.name": "Nagios", "box.requester": "@nagios.example"},
        rule_form,
    ),
    ("POST /settings/rules/{rule_kind}/{place}/remove", lambda ids: {"digest": ids["digest"]}, rule_form),
)
"""For the audit's tests: each route that saves something, what is typed, and what makes the form."""
