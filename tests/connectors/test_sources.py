"""Tool sources through the API: chosen, classified, granted, changed, removed; the credential never comes out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.api import Api
from tests.support.sources import Shop, add_shop

from deskhand.connectors import repository, service
from deskhand.connectors.answers import ANSWER_CHARACTERS, cut_answer
from deskhand.connectors.models import ToolSource
from deskhand.connectors.schemas import CredentialInput
from deskhand.connectors.values import MOST_ENABLED, SourceOperation
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.tools.sources import source_provider
from deskhand.tools.values import Doubt

URL = "/api/v1/tool-sources"
TOKEN = CredentialInput.model_validate({"kind": "bearer", "secret": "canary-of-the-shop"})


async def test_a_source_is_listed_chosen_classified_and_removed_and_shows_no_credential(api: Api) -> None:
    acme = await api.tenant()
    await api.tenant("globex")
    await add_shop(api.db, api.state.secrets, credential=TOKEN)
    with Shop().in_place() as shop:
        before = (await acme.get(f"{URL}/shop")).json()
        assert (before["tool_id"], before["has_credential"], before["enabled_operations"]) == ("openapi:shop", True, 3)
        assert {one["name"]: one["access"] for one in before["operations"]}["drop_all"] == "write"
        choices = {"get_order": {"access": "write"}, "cancel": {"enabled": False}, "drop_all": {"enabled": True}}
        changed = await acme.patch(f"{URL}/shop", json={"name": "The shop", "operations": choices})
        assert changed.status_code == 200, changed.text
        after = {one["name"]: (one["enabled"], one["access"]) for one in changed.json()["operations"]}
        assert after == {
            "get_order": (True, "write"),
            "cancel": (False, "write"),
            "touch": (True, "write"),
            "drop_all": (True, "write"),
        }
        assert (changed.json()["revision"], changed.json()["has_credential"]) == (2, True)
        listed = (await acme.get(URL)).json()
        assert [(one["slug"], one["enabled_operations"]) for one in listed] == [("shop", 3)]
        wrong = await acme.patch(f"{URL}/shop", json={"operations": {"canel": {"enabled": True}}})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/operations/canel")
        assert "cancel" in wrong.text
    globex = await api.member("globex", "tenant_admin")
    assert (await globex.get(f"{URL}/shop")).status_code == 404
    assert (await globex.get(URL)).json() == []
    async with api.db.tenant_session("acme") as session:
        stored = await service.get_source(session, "shop")
        kept = service.connection_of(stored, api.state.secrets).credential
        assert kept is not None
        assert (kept.secret, "canary" in repr(kept)) == ("canary-of-the-shop", False)
    assert "canary" not in before.__repr__() + changed.text
    assert (await acme.delete(f"{URL}/shop")).status_code == 204
    gone = await acme.get(f"{URL}/shop")
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    assert not shop.calls


async def test_what_is_switched_on_is_in_the_catalogue_and_can_be_granted_and_nothing_else(api: Api) -> None:
    acme = await api.tenant()
    await add_shop(api.db, api.state.secrets)
    [tool] = [one for one in (await acme.get("/api/v1/tools")).json() if one["tool_id"] == "openapi:shop"]
    assert (tool["kind"], tool["connected"]) == ("openapi", True)
    assert {one["name"]: (one["access"], one["doubt"]) for one in tool["operations"]} == {
        "get_order": ("read", "repeat"),
        "cancel": ("write", "person"),
        "touch": ("write", "repeat"),
    }
    tools = ["servicedesk_plus", "openapi:shop"]
    agent = await api.agent(acme, tool_ids=tools)
    assert agent["tool_operations"]["openapi:shop"] == ["get_order"]
    wanted: dict[str, Any] = {"openapi:shop": {"get_order": "allow", "cancel": "approve"}}
    changed = await acme.patch(f"/api/v1/agents/{agent['id']}", json={"tool_operations": wanted})
    assert changed.json()["tool_operations"]["openapi:shop"]["cancel"]["mode"] == "approve"
    activated = await acme.post(f"/api/v1/agents/{agent['id']}/activate")
    assert activated.status_code == 200, activated.text
    for operations, says in (
        ({"openapi:shop": ["drop_all"]}, "cannot do: drop_all"),
        ({"openapi:shop": {"get_order": "approve"}}, "nothing to approve"),
        ({"openapi:shop": {"get_order": {"scope": "any"}}}, "no scope"),
        ({"openapi:shop": ["no such name"]}, "/tool_operations/openapi:shop"),
    ):
        refused = await acme.patch(f"/api/v1/agents/{agent['id']}", json={"tool_operations": operations})
        assert (refused.status_code, says in refused.text) == (422, True), refused.text
    for unknown in ("openapi:shoe", "mcp:shop", "openapi"):
        refused = await acme.patch(f"/api/v1/agents/{agent['id']}", json={"tool_ids": [*tools, unknown]})
        assert (refused.status_code, "/tool_ids/2" in refused.text) == (422, True), refused.text
    # Removed, it takes nothing else of the agent along.
    assert (await acme.delete(f"{URL}/shop")).status_code == 204
    assert (await acme.patch(f"/api/v1/agents/{agent['id']}", json={"name": "Other"})).status_code == 200


async def test_two_sources_of_a_tenant_never_share_a_slug_and_there_are_only_so_many(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.tenant()
    await add_shop(api.db, api.state.secrets)
    with pytest.raises(ConflictError, match="already"):
        await add_shop(api.db, api.state.secrets)
    monkeypatch.setattr(service, "MOST_SOURCES", 1)
    with pytest.raises(ConflictError, match="remove one first"):
        await add_shop(api.db, api.state.secrets)
    async with api.db.tenant_session("acme") as session:
        assert await repository.count_rows(session) == 1


def test_a_model_is_not_shown_more_operations_than_it_can_choose_among() -> None:
    many = [SourceOperation(name=f"o{n}", description="x", is_write=False, is_enabled=True) for n in range(60)]
    source = ToolSource(slug="shop", kind="openapi", name="Shop")
    with Shop().in_place():
        with pytest.raises(InvalidInputError, match=f"{MOST_ENABLED} are the most"):
            service.set_operations(source, many)
        service.set_operations(source, many[:MOST_ENABLED])
    assert len(source_provider(source).operations) == MOST_ENABLED
    assert {one.doubt for one in source_provider(source).operations} == {Doubt.REPEAT}


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"kind": "bearer", "secret": "x", "name": "X-Key"}, "name belongs"),
        ({"kind": "header", "secret": "x"}, "name belongs"),
        ({"kind": "header", "secret": "x", "name": "Host"}, "the connection itself"),
        ({"kind": "header", "secret": "x", "name": "X Key"}, "pattern"),
        ({"kind": "basic", "secret": "x"}, "needs one"),
        ({"kind": "query", "secret": "x", "name": "key", "user": "me"}, "user belongs"),
        ({"kind": "bearer", "secret": "a\r\nHost: b"}, "visible ASCII"),
    ],
)
def test_a_credential_that_cannot_go_along_is_refused_in_words(sent: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CredentialInput.model_validate(sent)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        ["x" * 300] * 5_000,
        {str(number): {"text": "y" * 900, "more": list(range(300))} for number in range(500)},
        [[["z" * 60] * 40] * 40] * 40,
    ],
)
def test_a_long_answer_is_cut_from_the_inside_and_says_so(value: Any) -> None:
    shorter, cut = cut_answer({"body": value})
    assert cut
    assert len(str(shorter)) <= ANSWER_CHARACTERS
    assert "(cut)" in str(shorter)
    assert cut_answer({"body": "short"}) == ({"body": "short"}, False)
