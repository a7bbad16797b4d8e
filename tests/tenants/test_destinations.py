"""A stored credential stays with the host it was given for, by whatever field the address is changed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.api import Api

TENANT: dict[str, Any] = {
    "tenant_id": "acme",
    "name": "Acme",
    "servicedesk_url": "https://desk.example.com",
    "servicedesk_api_key": "key-of-the-desk",
    "zendesk_subdomain": "acme",
    "zendesk_api_token": "token-of-zendesk",
}
ELSEWHERE = "https://elsewhere.example.com"


@pytest.mark.parametrize(
    ("change", "secret"),
    [
        ({"servicedesk_url": ELSEWHERE}, "servicedesk_api_key"),
        ({"servicedesk_url": "https://desk.example.com:8443"}, "servicedesk_api_key"),
        ({"servicedesk_url": "http://desk.example.com"}, "servicedesk_api_key"),
        ({"zendesk_subdomain": "elsewhere"}, "zendesk_api_token"),
        ({"connection_extras": {"zendesk": {"zendesk_url": ELSEWHERE}}}, "zendesk_api_token"),
        (
            {"connection_extras": {"servicedesk_plus": {"servicedesk_accounts_url": ELSEWHERE}}},
            "servicedesk_api_key",
        ),
    ],
)
async def test_a_new_host_needs_the_secret_again(api: Api, change: dict[str, Any], secret: str) -> None:
    platform = await api.platform()
    assert (await platform.post("/api/v1/tenants", json=TENANT)).status_code == 201
    refused = await platform.patch("/api/v1/tenants/acme", json=change)
    assert refused.status_code == 422, refused.text
    assert secret in refused.json()["detail"]
    assert TENANT[secret] not in refused.text
    taken = await platform.patch("/api/v1/tenants/acme", json={**change, secret: "another-key"})
    assert taken.status_code == 200, taken.text


async def test_clearing_the_address_first_is_no_way_around(api: Api) -> None:
    platform = await api.platform()
    await platform.post("/api/v1/tenants", json=TENANT)
    assert (await platform.patch("/api/v1/tenants/acme", json={"zendesk_subdomain": None})).status_code == 200
    again = await platform.patch("/api/v1/tenants/acme", json={"zendesk_subdomain": "elsewhere"})
    assert again.status_code == 422


async def test_what_hears_nothing_new_is_let_through(api: Api) -> None:
    platform = await api.platform()
    await platform.post("/api/v1/tenants", json=TENANT)
    same_host = {"servicedesk_url": "https://DESK.example.com/", "name": "Acme Corporation"}
    assert (await platform.patch("/api/v1/tenants/acme", json=same_host)).status_code == 200
