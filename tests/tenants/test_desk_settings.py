"""Every setting of every desk can be made by the tenant, acts as it says, and is refused when mistyped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr
from tests.plugins import sdp, servicenow
from tests.plugins.jira_desk import make_plugin, make_simulator
from tests.support.api import Api

from deskhand.plugins.contract import TicketDraft
from deskhand.plugins.errors import DeskValidationError
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.servicedesk_plus.config import Dialect
from deskhand.simulators.base import run_in_process
from deskhand.tenants.connections import desk_config
from deskhand.tenants.fields import TOOL_FIELDS
from deskhand.tenants.service import TenantService

COLUMNS: dict[str, dict[str, str]] = {
    "servicedesk_plus": {"servicedesk_url": "https://desk.example.com", "servicedesk_api_key": "of-servicedesk"},
    "jira": {"jira_url": "https://a.example.com", "jira_api_token": "of-jira", "jira_project_key": "HELP"},
    "zendesk": {"zendesk_subdomain": "acme", "zendesk_api_token": "of-zendesk"},
    "servicenow": {"servicenow_instance_url": "https://b.example.com", "servicenow_api_key": "of-servicenow"},
}
WORDS = {
    "servicedesk_mark_field": "udf_sline_9",
    "zendesk_url": "https://gateway.example.com",
    **dict.fromkeys(("zendesk_user_id", "zendesk_category_field", "zendesk_resolution_field"), 7),
    "jira_email": None,  # with an OAuth client there is none
    "servicedesk_accounts_url": "https://accounts.zoho.eu",
    "jira_gateway_url": "https://gateway.example.com",
    "jira_token_url": "https://token.example.com",
    "jira_time_zone": "Europe/Berlin",
}
"""Of settings that have no default and take no word: what they take."""


def settings_of(tool_type: str) -> dict[str, Any]:
    """A value for each setting that has no column of its own: its default, or a word."""
    model = BUILT_IN[tool_type].config_model
    own = {name: field for name, field in model.model_fields.items() if name not in TOOL_FIELDS[tool_type].order}
    defaults = model.model_construct(
        **{name: field.get_default(call_default_factory=True) for name, field in own.items()}
    )
    stored = defaults.model_dump(mode="json", include=set(own), warnings=False)
    return {name: WORDS.get(name, "word" if value is None else value) for name, value in stored.items()}


@pytest.mark.parametrize("tool_type", BUILT_IN)
async def test_every_setting_of_a_desk_can_be_made_by_the_tenant(api: Api, tool_type: str) -> None:
    acme = await api.tenant()
    wanted = settings_of(tool_type)
    body = {"tool_type": tool_type, **COLUMNS[tool_type], "connection_extras": {tool_type: wanted}}
    answer = await acme.patch("/api/v1/tenants/acme", json=body)
    assert answer.status_code == 200, answer.text
    async with api.db.tenant_session("acme") as session:
        tenants = TenantService(session, secrets=api.state.secrets, plugins=api.state.plugins)
        tenant = await tenants.get_tenant("acme")
        config = desk_config(tenant, tool_type, secrets=api.state.secrets, plugins=api.state.plugins)
    shown = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in config}
    assert json.loads(json.dumps({name: shown[name] for name in wanted})) == wanted


@pytest.mark.parametrize("tool_type", BUILT_IN)
async def test_a_mistyped_setting_of_any_desk_is_refused_with_what_exists(api: Api, tool_type: str) -> None:
    acme = await api.tenant()
    for name in settings_of(tool_type):
        slip = name[:-2] + name[-1]
        answer = await acme.patch("/api/v1/tenants/acme", json={"connection_extras": {tool_type: {slip: "x"}}})
        assert answer.status_code == 422, (slip, answer.text)
        fault = answer.json()["errors"][0]
        assert fault["pointer"] == f"/connection_extras/{tool_type}/{slip}"
        assert "did you mean '" in fault["detail"]
    wrong = await acme.patch("/api/v1/tenants/acme", json={"connection_extras": {tool_type[:-1]: {}}})
    assert wrong.status_code == 422
    assert f"did you mean '{tool_type}'?" in wrong.json()["detail"]


async def test_the_field_of_the_company_and_of_the_mark_are_the_ones_the_tenant_names() -> None:
    simulator = sdp.new_simulator(Dialect.ON_PREMISES)
    async with run_in_process(simulator.build()) as server:
        desk = sdp.RunningDesk(simulator, server)
        requester = simulator.store.person("requester@corp.test")
        ticket = simulator.file_ticket(subject="Printer jams", requester=requester, company="Nordwind")
        async with desk.plugin() as plugin:
            company = (await plugin.get_ticket(ticket.id)).company
            assert (company.name if company else None) == "Nordwind"
        async with desk.plugin(servicedesk_company_field="account") as plugin:
            assert (await plugin.get_ticket(ticket.id)).company is None
        draft, mark = TicketDraft(subject="VPN", description="It drops."), "dh-0123456789abcdef0123"
        async with desk.plugin(servicedesk_mark_field="udf_sline_2") as plugin:
            made = await plugin.create_ticket(draft, mark=mark)
            again = await plugin.create_ticket(draft, mark=mark)
            created = simulator.store.tickets[made.ticket_id]
            assert (again.ticket_id, mark in created.description) == (made.ticket_id, False)
            assert created.custom["udf_fields"]["udf_sline_2"] == mark


async def test_tickets_are_created_in_the_type_the_tenant_names_and_of_the_company_its_field_holds() -> None:
    simulator = make_simulator()
    async with run_in_process(simulator.build()) as server:
        plugin = make_plugin(simulator, server.url, jira_issue_type="[system] incident")
        made = await plugin.create_ticket(TicketDraft(subject="VPN", description="It drops."))
        assert made.ticket_id
        await plugin.aclose()
        other = make_plugin(simulator, server.url, jira_issue_type="Incidnt")
        with pytest.raises(DeskValidationError, match=r"no type 'Incidnt'; it offers: \[System\] Incident"):
            await other.create_ticket(TicketDraft(subject="VPN", description="It drops."))
        await other.aclose()


async def test_a_ticket_created_in_error_gets_the_state_the_tenant_names() -> None:
    simulator = servicenow.new_simulator()
    async with run_in_process(simulator.build()) as server:
        desk = servicenow.RunningDesk(simulator, server)
        for state, label in (("7", "Closed"), ("8", "Canceled")):
            ticket_id = desk.file_ticket()
            async with desk.plugin(servicenow_withdrawn_state=state) as plugin:
                await plugin.close_created(ticket_id, reason="Created in error.")
            assert simulator.store.tickets[ticket_id].status == label
