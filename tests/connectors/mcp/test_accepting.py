"""A tool that its server changed is off until an administrator has read the change and accepts exactly that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mcp.types import Tool
from tests.support.api import Api
from tests.support.mcp_servers import LOOK_UP, RESTART

from deskhand.connectors import servers, service
from deskhand.connectors.mcp.changes import compared
from deskhand.connectors.mcp.listing import operations_from
from deskhand.connectors.models import ToolSource

URL = "/api/v1/tool-sources/prn"


def listed(*tools: dict[str, Any]) -> list[Any]:
    return operations_from([Tool.model_validate(tool) for tool in tools])


async def add(api: Api, *tools: dict[str, Any], on: Sequence[str] = ("look_up",)) -> None:
    async with api.db.tenant_session("acme") as session:
        source = ToolSource(tenant_id="acme", slug="prn", kind="mcp", name="Printers", configuration={"url": "x"})
        service.set_operations(source, [replace(one, is_enabled=one.name in on) for one in listed(*tools)])
        await service.add_source(session, source, credential=None, secrets=api.state.secrets, actor="tests")


async def read_again(api: Api, *tools: dict[str, Any]) -> None:
    async with api.db.tenant_session("acme") as session:
        source = await service.get_source(session, "prn", for_update=True)
        source.operations = [one.as_stored() for one in compared(service.operations_of(source), listed(*tools))]


def operation(source: dict[str, Any], name: str = "look_up") -> dict[str, Any]:
    return next(one for one in source["operations"] if one["name"] == name)


async def test_a_change_is_read_and_accepted_by_its_digest(api: Api) -> None:
    acme = await api.tenant()
    await add(api, LOOK_UP, RESTART)
    await read_again(api, {**LOOK_UP, "description": "Look up a printer or a plotter."}, RESTART)
    [change] = (await acme.get(f"{URL}/changes")).json()
    assert (change["name"], change["state"], change["fault"]) == ("look_up", "changed", "")
    assert change["accepted"]["description"] == "Look up a printer."
    assert change["now"]["description"] == "Look up a printer or a plotter."
    assert change["now"]["arguments"]["required"] == ["name"]
    assert operation((await acme.get(URL)).json())["state"] == "changed"
    # Switched on without having been read: refused.
    blind = await acme.patch(URL, json={"operations": {"look_up": {"enabled": True}}})
    assert (blind.status_code, blind.json()["errors"][0]["pointer"]) == (422, "/operations/look_up")
    other = await acme.post(f"{URL}/changes", json={"operations": {"look_up": "0" * 64}})
    assert (other.status_code, "changed again" in other.text) == (409, True)
    unknown = await acme.post(f"{URL}/changes", json={"operations": {"restart": change["digest"]}})
    assert unknown.status_code == 422
    viewer = await api.member("acme", "viewer")
    assert (await viewer.post(f"{URL}/changes", json={"operations": {}})).status_code == 403
    done = await acme.post(f"{URL}/changes", json={"operations": {"look_up": change["digest"]}})
    assert done.status_code == 200, done.text
    now = operation(done.json())
    assert (now["enabled"], now["description"], now["state"]) == (True, "Look up a printer or a plotter.", "")
    assert (await acme.get(f"{URL}/changes")).json() == []


async def test_what_is_gone_or_unread_or_unusable_says_so(api: Api) -> None:
    acme = await api.tenant()
    deep: dict[str, Any] = {**RESTART, "inputSchema": {"type": "array"}}
    await add(api, LOOK_UP, deep)
    source = (await acme.get(URL)).json()
    assert (operation(source, "restart")["state"], operation(source)["state"]) == ("unusable", "")
    assert "not that of an object" in operation(source, "restart")["fault"]
    refused = await acme.patch(URL, json={"operations": {"restart": {"enabled": True}}})
    assert (refused.status_code, "cannot be used" in refused.text) == (422, True)
    async with api.db.tenant_session("acme") as session:
        await servers.suspend_operation(session, "mcp:prn", "look_up", revision=7, actor="agent:x")
        assert (await service.get_source(session, "prn")).revision == 1
        await servers.suspend_operation(session, "mcp:prn", "look_up", revision=1, actor="agent:x")
        await servers.suspend_operation(session, "mcp:none", "look_up", revision=1, actor="agent:x")
    [unread] = (await acme.get(f"{URL}/changes")).json()
    assert (unread["state"], unread["now"], unread["digest"]) == ("unread", None, None)
    await read_again(api, deep)
    [gone] = (await acme.get(f"{URL}/changes")).json()
    assert (gone["state"], gone["accepted"]["hint"]) == ("gone", "read")
    # Back as it was accepted, it is on again.
    await read_again(api, LOOK_UP, deep)
    assert operation((await acme.get(URL)).json())["enabled"] is True


async def test_what_somebody_switched_off_stays_off_whatever_its_server_says_later(api: Api) -> None:
    acme = await api.tenant()
    await add(api, LOOK_UP)
    await read_again(api, {**LOOK_UP, "description": "Another."})
    assert (await acme.patch(URL, json={"operations": {"look_up": {"enabled": False}}})).status_code == 200
    assert (await acme.get(f"{URL}/changes")).json() == []
    await read_again(api, LOOK_UP)
    assert operation((await acme.get(URL)).json())["enabled"] is False


async def test_the_tenant_says_what_is_repeatable(api: Api) -> None:
    acme = await api.tenant()
    await add(api, RESTART, on=("restart",))
    assert operation((await acme.get(URL)).json(), "restart")["repeatable"] is False
    changed = await acme.patch(URL, json={"operations": {"restart": {"repeatable": True}}})
    assert operation(changed.json(), "restart")["repeatable"] is True
    [tool] = [one for one in (await acme.get("/api/v1/tools")).json() if one["tool_id"] == "mcp:prn"]
    assert [(one["access"], one["doubt"]) for one in tool["operations"]] == [("write", "repeat")]
    assert tool["operations"][0]["description"].startswith("In its server's own words")
