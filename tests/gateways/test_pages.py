"""The pages of connections: made, tested, changed and removed by forms, for a tenant and for the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.support.api import Api
from tests.support.gateways import connected

from deskhand.simulators.models import LlmSimulator

KEY = "sk-of-the-house-which-nobody-reads"
TYPED = {"slug": "house", "kind": "litellm_proxy", "name": "<b>House</b>", "api_key": KEY}


@pytest.fixture
async def gate() -> AsyncIterator[LlmSimulator]:
    async with LlmSimulator(api_key=KEY, models=("house-large", "<i>odd</i>")) as running:
        yield running


async def page(client: httpx2.AsyncClient, path: str = "/models", status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


async def test_from_the_empty_page_to_a_tested_connection_and_away(api: Api, gate: LlmSimulator) -> None:
    await api.tenant()
    platform = await api.platform()
    assert "No connections yet" in await page(platform)
    form = {**TYPED, "base_url": gate.base_url, "aliases": "gpt-4 = house-large\n\n", "tenants": "acme, globex"}
    form["region"] = " EU-West "
    made = await platform.post("/models", data=form)
    assert (made.status_code, made.headers["location"]) == (303, "/models/house")
    html = await page(platform, "/models/house")
    assert "&lt;b&gt;House&lt;/b&gt;" in html
    assert "<b>House" not in html
    assert "Nobody has tested it yet" in html
    assert "gpt-4 = house-large" in html
    assert 'value="acme, globex"' in html
    assert 'value="EU-West"' in html
    assert KEY not in html
    tested = await platform.post("/models/house/test", data={"model": "gpt-4"})
    assert "It works." in tested.text
    assert "house-large" in tested.text
    assert "&lt;i&gt;odd" in tested.text
    listed = await page(platform)
    assert "Answers" in listed
    assert "acme, globex" in listed
    assert ">EU-West<" in listed
    asked = await page(platform, "/models/house/remove")
    assert "cannot be brought back" in asked
    assert (await platform.post("/models/house/remove")).status_code == 303
    assert "No connections yet" in await page(platform)
    await page(platform, "/models/house", 404)


async def test_what_is_wrong_stands_on_the_page(api: Api, gate: LlmSimulator) -> None:
    platform = await api.platform()
    await connected(platform, kind="litellm_proxy", base_url=gate.base_url, api_key="sk-another-of-nobody-here")
    tested = await platform.post("/models/house/test")
    assert "It does not work." in tested.text
    assert "refused the key" in tested.text
    assert "Wrong when it was tested" in await page(platform, "/models/house")
    assert "Does not work" in await page(platform)


async def test_a_change_keeps_the_key_and_never_sends_it_elsewhere(api: Api) -> None:
    acme = await api.tenant()
    address = "https://llm.example.com/v1"
    await connected(acme, kind="openai_compatible", base_url=address, api_key=KEY, is_default=True)
    same = {"name": "House", "base_url": address}
    assert (await acme.post("/models/house", data=same)).status_code == 303
    shown = (await acme.get("/api/v1/model-connections/house")).json()
    assert (shown["has_key"], shown["is_default"]) == (True, False)
    moved = {**same, "base_url": "https://evil.example.com/v1", "name": "Moved"}
    refused = await acme.post("/models/house", data=moved)
    assert refused.status_code == 422
    assert "is stored for another host" in refused.text
    assert 'value="Moved"' in refused.text
    assert (await acme.get("/api/v1/model-connections/house")).json()["name"] == "House"
    assert (await acme.post("/models/house", data={**moved, "api_key": KEY})).status_code == 303
    assert (await acme.post("/models/house", data={**moved, "forget_key": "true"})).status_code == 303
    assert (await acme.get("/api/v1/model-connections/house")).json()["has_key"] is False


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"aliases": "no sign here"}, "Line 1 of the aliases"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"kind": "nothing"}, "kind"),
        ({"kind": "litellm_sdk", "base_url": ""}, "for the platform alone"),
        ({"name": ""}, "name"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_typed_but_the_key(
    api: Api, wrong: dict[str, str], says: str
) -> None:
    acme = await api.tenant()
    form = {**TYPED, "base_url": "https://llm.example.com/v1", "name": "Typed", **wrong}
    answer = await acme.post("/models", data=form)
    assert answer.status_code == 422
    assert says in answer.text
    assert KEY not in answer.text
    assert (await acme.get("/api/v1/model-connections")).json() == []


async def test_a_tenant_sees_the_platforms_without_its_address_and_a_taken_slug_is_refused(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    await connected(platform, "shared", kind="litellm_proxy", base_url="http://10.1.2.3/v1", name="For all")
    html = await page(acme)
    assert "For all" in html
    assert "10.1.2.3" not in html
    assert 'href="/models/shared"' not in html
    await page(acme, "/models/shared", 404)
    again = await platform.post("/models", data={**TYPED, "slug": "shared", "base_url": "http://10.1.2.3/v1"})
    assert again.status_code == 409
    assert "There is a model connection" in again.text
    assert "Connect models" in again.text


async def test_the_editor_of_an_agent_offers_what_its_tenant_may_use(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    edit = f"/agents/{agent['id']}/edit"
    assert 'name="connection"' not in await page(acme, edit)
    await connected(acme, "own", name="<b>Ours</b>")
    html = await page(acme, edit)
    assert '<option value="own">own · &lt;b&gt;Ours' in html
    assert '<option value="installation">' in html
    form = {
        "name": "A",
        "system_prompt": agent["system_prompt"],
        "model": "gpt-4",
        "provider": "litellm",
        "revision": "1",
    }

    async def saved(**typed: str) -> object:
        revision = (await acme.get(f"/api/v1/agents/{agent['id']}")).headers["etag"].strip('"')
        answer = await acme.post(edit, data={**form, "revision": revision, **typed})
        assert answer.status_code in (200, 303), answer.text
        return (await acme.get(f"/api/v1/agents/{agent['id']}")).json()["llm_config"].get("connection")

    assert await saved(connection="own") == "own"
    assert '<option value="own" selected>' in await page(acme, edit)
    assert await saved() == "own"
    await acme.delete("/api/v1/model-connections/own")
    assert "own · not there" in await page(acme, edit)
    assert await saved(connection="-") is None
