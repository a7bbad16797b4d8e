from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from tests.support.api import Api

from deskhand.plugins.registry import PluginManager
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.servicedesk_plus.simulator import ServiceDeskPlusSimulator
from deskhand.tenants.connections import desk_for, webhook_signing_secret
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.service import TenantService

SECRET = "the-technician-key-of-acme"
NEW: dict[str, Any] = {
    "tenant_id": "acme",
    "name": "Acme Corporation",
    "servicedesk_url": "https://acme.servicedesk.example.com/",
    "servicedesk_api_key": SECRET,
}


async def test_create_encrypts_defaults_and_shows_a_made_secret_once(api: Api) -> None:
    platform = await api.platform()
    answer = await platform.post("/api/v1/tenants", json=NEW)
    assert answer.status_code == 201, answer.text
    created = answer.json()
    assert created["tool_type"] == "servicedesk_plus"
    assert created["servicedesk_url"] == "https://acme.servicedesk.example.com"
    assert created["rate_limits"] == {
        "webhooks_per_minute": 600, "concurrent_executions": 5, "executions_per_hour": 2000, "weight": 1.0,
    }  # fmt: skip
    assert created["enhancement_preferences"] == {}
    assert created["secrets_set"] == ["servicedesk_api_key", "webhook_signing_secret"]
    made = created["webhook_signing_secret"]
    assert made.startswith("whsec_")
    row = await _row(api)
    assert SECRET not in str(vars(row)) + repr(row)
    assert api.state.secrets.decrypt(row.servicedesk_api_key_encrypted or "") == SECRET
    assert webhook_signing_secret(row, secrets=api.state.secrets) == made
    again = await platform.get("/api/v1/tenants/acme")
    assert SECRET not in answer.text + again.text
    assert made not in again.text


async def test_a_given_webhook_secret_is_not_shown(api: Api) -> None:
    platform = await api.platform()
    chosen = "our-own-secret-of-32-characters!"
    answer = await platform.post("/api/v1/tenants", json={**NEW, "webhook_signing_secret": chosen})
    assert answer.json()["webhook_signing_secret"] is None
    assert "our-own-secret" not in answer.text
    assert webhook_signing_secret(await _row(api), secrets=api.state.secrets) == chosen


async def test_a_weak_webhook_secret_is_refused_and_changes_nothing(api: Api) -> None:
    platform = await api.platform()
    weak = {"webhook_signing_secret": "our-own-secret"}
    refused = await platform.post("/api/v1/tenants", json={**NEW, **weak})
    await platform.post("/api/v1/tenants", json=NEW)
    before = (await _row(api)).webhook_signing_secret_encrypted
    changed = await platform.patch(f"/api/v1/tenants/{NEW['tenant_id']}", json=weak)
    for answer in (refused, changed):
        assert answer.status_code == 422, answer.text
        assert "webhook_signing_secret" in answer.text
        assert "our-own-secret" not in answer.text
    assert (await _row(api)).webhook_signing_secret_encrypted == before


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"tool_type": "fax"}, 404, "Plugin 'fax' not registered"),
        ({"servicedesk_api_key": None}, 422, "ServiceDesk Plus requires: servicedesk_url, servicedesk_api_key"),
        ({"tool_type": "jira"}, 422, "Jira requires: jira_url, jira_api_token, jira_project_key"),
        ({"tool_type": "zendesk"}, 422, "Zendesk requires: zendesk_subdomain, zendesk_api_token"),
        ({"tool_type": "servicenow"}, 422, "ServiceNow requires: servicenow_instance_url, servicenow_api_key"),
        ({"tenant_id": "Acme"}, 422, "/tenant_id"),
        ({"tenant_id": "acme_corp"}, 422, "/tenant_id"),
        ({"tenant_id": "a" * 101}, 422, "/tenant_id"),
        ({"tenant_id": "acme\n"}, 422, "/tenant_id"),
        ({"name": " "}, 422, "/name"),
        ({"servicedesk_url": "ftp://x.example"}, 422, "/servicedesk_url"),
        ({"servicedesk_url": "https://user:pass@x.example"}, 422, "user name or password"),
        ({"servicedesk_url": "https://x.example/" + "a" * 500}, 422, "/servicedesk_url"),
        ({"rate_limits": {"concurrent_executions": 0}}, 422, "/rate_limits/concurrent_executions"),
        ({"enhancement_preferences": {"priority_mapping": {"urgent": "x"}}}, 422, "/enhancement_preferences"),
        ({"connection_extras": {"servicedesk_plus": {"servicedesk_dialekt": "cloud"}}}, 422, "servicedesk_dialekt"),
        ({"connection_extras": {"servicedesk_plus": "cloud"}}, 422, "/connection_extras"),
        ({"connection_extras": "[" * 30_000}, 422, "/connection_extras"),
        ({"connection_extras": '{"jira":' * 3_000}, 422, "/connection_extras"),
        ({"is_admin": True}, 422, "/is_admin"),
    ],
)
async def test_rules_of_a_tenant(api: Api, fields: dict[str, Any], status: int, detail: str) -> None:
    platform = await api.platform()
    answer = await platform.post("/api/v1/tenants", json={**NEW, **fields})
    assert answer.status_code == status, answer.text
    assert detail in answer.text
    assert SECRET not in answer.text
    assert "user:pass" not in answer.text
    assert (await platform.get("/api/v1/tenants")).json()["items"] == []


async def test_an_id_is_taken_once(api: Api) -> None:
    platform = await api.platform()
    assert (await platform.post("/api/v1/tenants", json=NEW)).status_code == 201
    again = await platform.post("/api/v1/tenants", json=NEW)
    assert (again.status_code, again.json()["detail"]) == (409, "The tenant id 'acme' is taken.")


async def test_update_changes_what_is_named(api: Api) -> None:
    acme = await api.tenant()
    changed = await acme.patch(
        "/api/v1/tenants/acme",
        json={
            "name": "Acme International",
            "servicedesk_api_key": "another-key",
            "enhancement_preferences": {"priority_mapping": {"critical": "Urgent"}},
        },
    )
    assert changed.status_code == 200, changed.text
    assert "another-key" not in changed.text
    body = changed.json()
    assert body["name"] == "Acme International"
    assert body["servicedesk_url"] == "https://desk.example.com"
    row = await _row(api)
    assert api.state.secrets.decrypt(row.servicedesk_api_key_encrypted or "") == "another-key"
    untouched = await acme.patch("/api/v1/tenants/acme", json={})
    assert untouched.json()["updated_at"] == body["updated_at"]


async def test_update_cannot_break_the_default_desk(api: Api) -> None:
    acme = await api.tenant()
    cleared = await acme.patch("/api/v1/tenants/acme", json={"servicedesk_api_key": None})
    assert cleared.status_code == 422
    assert cleared.json()["detail"] == "ServiceDesk Plus requires: servicedesk_url, servicedesk_api_key"
    assert (await acme.patch("/api/v1/tenants/acme", json={"tool_type": "fax"})).status_code == 404
    assert (await acme.get("/api/v1/tenants/acme")).json()["secrets_set"][0] == "servicedesk_api_key"


async def test_a_tenants_administrator_sees_only_its_own(api: Api) -> None:
    acme = await api.tenant("acme")
    await api.tenant("globex")
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/connections"),
        ("POST", "/connections/servicedesk_plus/test"),
        ("GET", "/api-keys"),
        ("POST", "/sign-in-tokens"),
    ):
        body = {"json": {"name": "Mine"}} if method == "PATCH" else {}
        foreign = await acme.request(method, f"/api/v1/tenants/globex{path}", **body)
        nobody = await acme.request(method, f"/api/v1/tenants/nobody{path}", **body)
        assert (foreign.status_code, nobody.status_code) == (404, 404)
        assert foreign.json()["detail"].replace("globex", "nobody") == nobody.json()["detail"]
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/acme/deactivate")):
        body = {"json": NEW} if path == "" and method == "POST" else {}
        assert (await acme.request(method, f"/api/v1/tenants{path}", **body)).status_code == 403


async def test_deactivate_and_reactivate(api: Api) -> None:
    await api.tenant()
    platform = await api.platform()
    assert (await platform.post("/api/v1/tenants/acme/deactivate")).json()["is_active"] is False
    assert (await platform.post("/api/v1/tenants/acme/deactivate")).status_code == 409
    assert (await platform.get("/api/v1/tenants", params={"is_active": "true"})).json()["items"] == []
    assert (await platform.post("/api/v1/tenants/acme/reactivate")).json()["is_active"] is True
    assert (await platform.post("/api/v1/tenants/nobody/deactivate")).status_code == 404


async def test_tenants_are_listed_in_pages(api: Api) -> None:
    for name in ("acme", "beta", "gamma"):
        await api.tenant(name)
    platform = await api.platform()
    first = (await platform.get("/api/v1/tenants", params={"limit": 2})).json()
    rest = (await platform.get("/api/v1/tenants", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    names = [item["tenant_id"] for item in (*first["items"], *rest["items"])]
    assert (names, rest["next_cursor"]) == (["acme", "beta", "gamma"], None)
    found = await platform.get("/api/v1/tenants", params={"q": "GAM", "tool_type": "servicedesk_plus"})
    assert [item["tenant_id"] for item in found.json()["items"]] == ["gamma"]


async def test_connections_are_listed_and_tried_on_a_desk_that_answers(api: Api) -> None:
    async with run_in_process(ServiceDeskPlusSimulator(api_key=SECRET).build()) as desk:
        acme = await api.tenant(
            servicedesk_url=desk.url,
            servicedesk_api_key=SECRET,
            connection_extras={"servicedesk_plus": {"servicedesk_bot_email": "bot@acme.example"}},
        )
        (connection, *_) = (await acme.get("/api/v1/tenants/acme/connections")).json()
        tried = await acme.post("/api/v1/tenants/acme/connections/servicedesk_plus/test")
        await acme.patch("/api/v1/tenants/acme", json={"servicedesk_api_key": "wrong-key"})
        refused = await acme.post("/api/v1/tenants/acme/connections/servicedesk_plus/test")
    assert connection["tool_type"] == "servicedesk_plus"
    assert (connection["is_complete"], connection["is_default"], connection["missing"]) == (True, True, [])
    assert connection["settings"] == {"servicedesk_url": desk.url}
    assert connection["secrets_set"] == ["servicedesk_api_key"]
    assert tried.json()["ok"] is True, tried.text
    assert refused.json()["ok"] is False
    assert "wrong-key" not in refused.text
    assert (await acme.post("/api/v1/tenants/acme/connections/fax/test")).status_code == 404


async def test_desk_for_merges_columns_and_extras(api: Api) -> None:
    await api.tenant(connection_extras={"servicedesk_plus": {"servicedesk_portal": "itdesk"}})
    desk = desk_for(
        await _row(api), "servicedesk_plus", secrets=api.state.secrets, plugins=PluginManager(), http=api.state.http
    )
    values = desk.config.model_dump()
    assert (values["servicedesk_url"], values["servicedesk_portal"]) == ("https://desk.example.com", "itdesk")
    assert values["servicedesk_api_key"].get_secret_value() == "the-technician-key-of-acme"
    assert "the-technician-key" not in repr(desk.config)
    await desk.aclose()


async def test_the_service_works_without_http(api: Api) -> None:
    await api.tenant()
    async with api.db.tenant_session("acme") as session:
        service = TenantService(session, secrets=api.state.secrets, plugins=PluginManager())
        assert (await service.get_tenant("acme")).name == "Acme"


async def test_plugins_are_listed_with_their_schema(api: Api) -> None:
    acme = await api.tenant()
    plugins = (await acme.get("/api/v1/plugins")).json()
    sdp = next(plugin for plugin in plugins if plugin["tool_type"] == "servicedesk_plus")
    assert sdp["config_schema"]["properties"]["servicedesk_api_key"]["writeOnly"] is True
    assert {"name": "add_note", "access": "write"} in sdp["operations"]
    assert (await acme.get("/api/v1/plugins/servicedesk_plus")).json() == sdp
    missing = await acme.get("/api/v1/plugins/fax")
    assert missing.status_code == 404
    assert missing.json()["detail"].startswith("Plugin 'fax' not registered; there are 'servicedesk_plus', ")


async def _row(api: Api) -> TenantConfig:
    async with api.db.tenant_session("acme") as session:
        return (await session.execute(select(TenantConfig))).scalar_one()
