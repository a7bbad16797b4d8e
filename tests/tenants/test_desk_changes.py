"""One desk is changed and the others stay, also when two people change two at one moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.api import Api

from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.tenants.connections import read_extras, stored_values
from deskhand.tenants.desks.changes import DeskConnections
from deskhand.tenants.desks.fields import TypedConnection, faults_by_field, fields_of, read_form
from deskhand.tenants.destinations import Destination, ensure_secrets_stay, place_of
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.service import TenantService

ZENDESK = {"zendesk_subdomain": "acme", "zendesk_api_token": "of-zendesk", "zendesk_client_id": "deskhand"}
JIRA = {
    "jira_url": "https://acme.example.com",
    "jira_api_token": "of-jira",
    "jira_project_key": "HELP",
    "jira_email": "bot@acme.example",
}


async def change(api: Api, verb: str, *arguments: Any, tenant_id: str = "acme") -> None:
    """Do one thing with the tenant's desks, in a transaction of its own."""
    parts = {"secrets": api.state.secrets, "plugins": api.state.plugins}
    async with api.db.tenant_session("acme") as session:
        desks = DeskConnections(TenantService(session, **parts), **parts, actor="tests")
        await getattr(desks, verb)(tenant_id, *arguments)


async def tenant_of(api: Api) -> TenantConfig:
    async with api.db.tenant_session("acme") as session:
        return (await session.scalars(select(TenantConfig))).one()


async def test_two_changes_at_one_moment_both_stay(api: Api) -> None:
    await api.tenant()
    wanted = {"zendesk": ZENDESK, "jira": JIRA}
    for _ in range(3):
        for tool_type in wanted:
            await change(api, "disconnect", tool_type)
        await asyncio.gather(
            *(change(api, "connect", name, TypedConnection(values)) for name, values in wanted.items())
        )
        tenant = await tenant_of(api)
        for tool_type, values in wanted.items():
            assert stored_values(tenant, tool_type, api.state.secrets) == values


async def test_what_is_not_typed_is_gone_and_what_is_kept_stays(api: Api) -> None:
    await api.tenant()
    await change(api, "connect", "jira", TypedConnection({**JIRA, "jira_category_field": "labels"}))
    without = {name: value for name, value in JIRA.items() if name not in ("jira_email", "jira_api_token")}
    await change(api, "connect", "jira", TypedConnection(without, frozenset({"jira_api_token"})))
    tenant = await tenant_of(api)
    assert stored_values(tenant, "jira", api.state.secrets) == {**without, "jira_api_token": "of-jira"}
    assert read_extras(tenant, api.state.secrets) == {}


async def test_a_key_among_the_extras_goes_to_its_column_once_it_is_typed(api: Api) -> None:
    await api.tenant()
    platform = await api.platform()
    extras = {"zendesk": {"zendesk_client_id": "deskhand", "zendesk_api_token": "in-the-extras"}}
    body = {"zendesk_subdomain": "acme", "zendesk_api_token": "in-the-column", "connection_extras": extras}
    assert (await platform.patch("/api/v1/tenants/acme", json=body)).status_code == 200
    kept = {name: value for name, value in ZENDESK.items() if name != "zendesk_api_token"}
    await change(api, "connect", "zendesk", TypedConnection(kept, frozenset({"zendesk_api_token"})))
    assert stored_values(await tenant_of(api), "zendesk", api.state.secrets)["zendesk_api_token"] == "in-the-extras"
    moved = TypedConnection({**kept, "zendesk_subdomain": "elsewhere"}, frozenset({"zendesk_api_token"}))
    with pytest.raises(InvalidInputError, match="zendesk_api_token again"):
        await change(api, "connect", "zendesk", moved)
    await change(api, "connect", "zendesk", TypedConnection({**ZENDESK, "zendesk_subdomain": "elsewhere"}))
    tenant = await tenant_of(api)
    assert stored_values(tenant, "zendesk", api.state.secrets)["zendesk_api_token"] == "of-zendesk"
    assert read_extras(tenant, api.state.secrets) == {"zendesk": {"zendesk_client_id": "deskhand"}}


async def test_what_cannot_be_done_changes_nothing(api: Api) -> None:
    await api.tenant()
    refused: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (PluginNotFoundError, "connect", ("nothing", TypedConnection())),
        (PluginNotFoundError, "disconnect", ("nothing",)),
        (ConflictError, "disconnect", ("servicedesk_plus",)),
        (InvalidInputError, "connect", ("jira", TypedConnection())),
        (InvalidInputError, "connect", ("jira", TypedConnection({**JIRA, "jira_nothing": "x"}))),
        (InvalidInputError, "make_default", ("jira",)),
        (InvalidInputError, "set_webhook_secret", ("password",)),
    ]
    before = stored_values(await tenant_of(api), "servicedesk_plus", api.state.secrets)
    for error, verb, arguments in refused:
        with pytest.raises(error):
            await change(api, verb, *arguments)
    with pytest.raises(NotFoundError):
        await change(api, "disconnect", "jira", tenant_id="globex")
    tenant = await tenant_of(api)
    assert (tenant.tool_type, stored_values(tenant, "jira", api.state.secrets)) == ("servicedesk_plus", {})
    assert stored_values(tenant, "servicedesk_plus", api.state.secrets) == before


@pytest.mark.parametrize(
    ("resent", "passes"),
    [
        (set(), False),
        ({"connection_extras"}, True),
        ({"connection_extras/outside/word"}, True),
        ({"connection_extras/another/word"}, False),
        ({"word"}, False),
    ],
)
def test_a_secret_without_a_column_is_typed_again_at_its_own_place(resent: set[str], passes: bool) -> None:
    before = {"outside": Destination({"site": "https://a"}, {"word": "hush"})}
    after = {"outside": Destination({"site": "https://b"}, {"word": "hush"})}
    assert place_of("outside", "word") == "connection_extras/outside/word"
    if passes:
        ensure_secrets_stay(before, after, resent=resent)
        return
    with pytest.raises(InvalidInputError, match="word"):
        ensure_secrets_stay(before, after, resent=resent)


def test_a_box_that_was_left_empty_keeps_a_key_and_clears_the_rest(api: Api) -> None:
    fields = fields_of(api.state.plugins.get_plugin("jira"))
    typed = read_form(
        fields, {"jira_url": " https://acme.example.com ", "jira_email": "", "jira_notify_users": "false"}
    )
    assert typed.values == {"jira_url": "https://acme.example.com", "jira_notify_users": False}
    assert typed.kept == {"jira_api_token"}
    assert faults_by_field(fields, None) == {}
