"""A new tenant in the browser: its first desk with it, and whoever made it joins it."""

from __future__ import annotations

import re
from html import unescape

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.desk_pages import NEW_TENANT, answering, said
from tests.support.people import form, platform_person

from deskhand.plugins.registry import BUILT_IN
from deskhand.tenants.connections import stored_values
from deskhand.tenants.desks.fields import fields_of
from deskhand.tenants.models import TenantConfig

NEW = "/tenants/new"
OF_PLUS = f"{NEW}?desk=servicedesk_plus"


@pytest.fixture
async def root(api: Api) -> httpx2.AsyncClient:
    """The browser of the platform's administrator."""
    return await platform_person(api)


async def tenants(api: Api) -> list[TenantConfig]:
    async with api.db.platform_session() as session:
        return list(await session.scalars(select(TenantConfig)))


async def test_an_empty_installation_leads_to_the_first_tenant(root: httpx2.AsyncClient) -> None:
    listed = (await root.get("/tenants")).text
    assert f'href="{NEW}">Make the first one' in listed
    html = (await root.get(NEW)).text
    for tool_type, plugin in BUILT_IN.items():
        assert f'href="{NEW}?desk={tool_type}"' in html
        assert plugin.manifest.name in unescape(html)


@pytest.mark.parametrize("tool_type", BUILT_IN)
async def test_the_form_asks_what_the_desk_needs(root: httpx2.AsyncClient, tool_type: str) -> None:
    html = (await root.get(f"{NEW}?desk={tool_type}")).text
    for one in fields_of(BUILT_IN[tool_type]):
        assert f'name="desk.{one.name}"' in html
    assert (await root.get(f"{NEW}?desk=nothing")).status_code == 404


@pytest.mark.parametrize("tool_type", ["servicedesk_plus", "zendesk", "jira", "servicenow"])
async def test_whoever_makes_a_tenant_joins_it_and_its_desk_works(
    api: Api, root: httpx2.AsyncClient, tool_type: str
) -> None:
    async with answering(tool_type) as (_, typed):
        boxes = {f"desk.{name}": text for name, text in typed.items()}
        sent = {"desk": tool_type, "tenant_id": "umbrella", "name": "Umbrella", **boxes}
        made = await form(root, f"{NEW}?desk={tool_type}", NEW, **sent)
        assert made.status_code == 303, said(made.text)
        [tenant] = await tenants(api)
        assert (tenant.tenant_id, tenant.name, tenant.tool_type) == ("umbrella", "Umbrella", tool_type)
        stored = stored_values(tenant, tool_type, api.state.secrets)
        assert {name: str(stored[name]) for name in typed} == typed

        asked = await root.get(made.headers["location"])
        assert "Join Umbrella?" in said(asked.text)
        token = re.search(r'name="token" value="(dhj_[^"]+)"', asked.text)
        assert token is not None
        joined = await form(root, made.headers["location"], "/join", token=token[1])
        assert joined.status_code == 303
        tested = await form(root, "/account", f"/tenants/umbrella/desks/{tool_type}/test")
        assert "The connection works" in said(tested.text)


async def test_what_is_wrong_is_said_at_its_box_and_nothing_is_made(api: Api, root: httpx2.AsyncClient) -> None:
    wrong = {
        "tenant_id": ({**NEW_TENANT, "tenant_id": "Umbrella Corp"}, 422, "tenant_id-fault"),
        "name": ({**NEW_TENANT, "name": " "}, 422, "name-fault"),
        "key": ({**NEW_TENANT, "desk.servicedesk_api_key": ""}, 422, "requires: servicedesk_url"),
        "url": ({**NEW_TENANT, "desk.servicedesk_url": "nowhere"}, 422, "field-servicedesk_url-fault"),
    }
    for sent, status, words in wrong.values():
        answer = await form(root, OF_PLUS, NEW, **sent)
        assert (answer.status_code, words in answer.text) == (status, True), said(answer.text)
        assert 'value="Umbrella' in answer.text or sent["name"] == " ", "what was typed stays"
        assert "k" * 30 not in answer.text, "but a secret"
    assert await tenants(api) == []


async def test_an_id_is_taken_once(api: Api, root: httpx2.AsyncClient) -> None:
    assert (await form(root, OF_PLUS, NEW, **NEW_TENANT)).status_code == 303
    answer = await form(root, OF_PLUS, NEW, **{**NEW_TENANT, "name": "Another"})
    assert (answer.status_code, "No tenant was made." in answer.text) == (409, True)
    assert [one.name for one in await tenants(api)] == ["Umbrella"]


async def test_a_key_is_nobody_and_lets_people_in(api: Api) -> None:
    platform = await api.platform()
    answer = await platform.post(NEW, data=NEW_TENANT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tenants/umbrella/people")
