"""Tools granted in the console: every operation spelt out, the change shown before it is saved, and the API's rules."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import httpx2
import pytest
from tests.agents.console.test_pages import person, words_of
from tests.support.api import Api
from tests.support.people import form

from deskhand.agents.bodies import AgentPatch
from deskhand.agents.console import grants
from deskhand.agents.models import AgentTool
from deskhand.plugins.registry import PluginManager
from deskhand.tools import desk
from deskhand.tools.catalogue import find_provider, providers
from deskhand.tools.offered import OfferedTool
from deskhand.tools.values import Grant, Kind, Mode, Risk, Scope

SDP = "servicedesk_plus"
NOTE = {"servicedesk_plus": {"get_ticket": "allow", "add_note": "allow"}}


def boxes(html: str) -> dict[str, str]:
    """What a browser would send of the form as it stands: chosen options, and what stands in the fields."""
    sent = {}
    for name, inside in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inside)
        sent[name] = next((value for value, chosen in options if chosen), options[0][0])
    for field in re.findall(r"<input [^>]*>", html):
        name, value = re.search(r'name="([^"]+)"', field), re.search(r'value="([^"]*)"', field)
        if name and value and "/" in name[1]:
            sent[name[1]] = unescape(value[1])
    return sent


async def send(client: httpx2.AsyncClient, agent_id: str, typed: dict[str, str], **fields: str) -> httpx2.Response:
    address = f"/agents/{agent_id}/tools"
    return await form(client, address, address, **{"revision": "1", **typed, **fields})


async def granted(admin: httpx2.AsyncClient, agent_id: str) -> Any:
    return (await admin.get(f"/api/v1/agents/{agent_id}")).json()["tool_operations"]


def test_the_boxes_of_an_agent_say_what_it_has() -> None:
    present = {
        SDP: {
            "get_ticket": Grant(scope=Scope.LISTED),
            "reply": Grant(Mode.APPROVE, Scope.OWN, "tenant_admin", 30),
            "ask_requester": Grant(answer_hours=12),
        },
        "knowledge": {"search_articles": Grant()},
    }
    data = AgentPatch.model_validate(grants.body_of(grants.typed_of(present)))
    assert data.tool_ids == ["knowledge", SDP]
    assert data.tool_operations is not None
    named = {tool: {name: how.grant for name, how in one.items()} for tool, one in data.tool_operations.items()}
    assert named == present


def test_what_is_no_box_of_a_grant_is_left_alone() -> None:
    sent = [("csrf", "x"), ("mode/a/b", "allow"), ("mode/a", "allow"), ("other/a/b", "1"), ("scope/a/b", object())]
    assert grants.boxes_in(sent) == {"mode/a/b": "allow"}
    typed = {"mode/a/b": "approve", "wait_minutes/a/b": " 60 ", "approver/a/b": "", "mode/a/c": "", "scope/a/c": "any"}
    assert grants.body_of(typed) == {
        "tool_ids": ["a"],
        "tool_operations": {"a": {"b": {"mode": "approve", "wait_minutes": 60}}},
    }
    assert grants.body_of({"mode/a/b": "allow", "answer_hours/a/b": "²"})["tool_operations"]["a"]["b"] == {
        "mode": "allow",
        "answer_hours": "²",
    }


@pytest.mark.parametrize("tool_type", PluginManager().tool_types)
def test_each_operation_that_there_is_stands_on_the_page_of_each_desk(tool_type: str) -> None:
    provider = find_provider(tool_type, PluginManager())
    [choice] = grants.choices([OfferedTool(provider, is_connected=True)], grants.opened(provider), {})
    rows = {row.name: row for row in choice.rows}
    assert set(rows) == {one.name for one in desk.OPERATIONS}
    assert {name for name, row in rows.items() if row.is_offered} == {one.name for one in provider.operations}
    assert choice.chosen == 0
    offered = [row.is_offered for row in choice.rows]
    assert offered == sorted(offered, reverse=True)
    assert [name for name, row in rows.items() if row.asks] == ["ask_requester"]


def test_each_kind_and_risk_has_its_words() -> None:
    assert set(grants.KIND_WORDS) == set(Kind)
    assert set(grants.RISK_WORDS) == set(Risk)
    assert all(one.kind in grants.KIND_WORDS for one in providers(PluginManager()))


def test_a_change_is_told_as_what_is_gained_lost_and_otherwise() -> None:
    known = {SDP: find_provider(SDP, PluginManager())}
    before = {SDP: {"reply": Grant(), "get_ticket": Grant(), "no_more": Grant()}, "openapi:gone": {"x": Grant()}}
    after = {SDP: {"reply": Grant(Mode.APPROVE), "get_ticket": Grant(), "add_note": Grant()}}
    change = grants.difference(before, after, known)
    assert [(one.tool, one.name, one.is_write) for one in change.gained] == [
        ("ManageEngine ServiceDesk Plus", "add_note", True)
    ]
    assert [(one.tool, one.name) for one in change.lost] == [
        ("openapi:gone", "x"),
        ("ManageEngine ServiceDesk Plus", "no_more"),
    ]
    [otherwise] = change.otherwise
    assert (otherwise.name, otherwise.was) == ("reply", "by itself, on the ticket that started it")
    assert otherwise.how.startswith("a person (operator) approves each call first, within a day")
    assert change
    assert not grants.difference(before, before, known)


async def test_an_agent_is_given_tools_and_the_change_is_shown_before_it_is_saved(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, tool_operations=NOTE)
    client = await person(api, "editor")
    page = (await client.get(f"/agents/{made['id']}/tools")).text
    text = words_of(page)
    assert "Write an answer that the requester reads." in text
    # Who grants a reply is told what it costs: of reply, question and resolution, and of nothing else.
    assert text.count("the model is shown public articles and the public part of the ticket alone") == 3
    assert "2 of 16 chosen" in text
    assert re.search(r"Not connected, so not to be granted: [^.]*Zendesk[^.]*Mail", text)
    # Nothing of an unconnected desk can be chosen, and opening a tool keeps what was typed.
    typed = boxes(page)
    assert not any("jira" in name for name in typed)
    typed |= {"mode/servicedesk_plus/reply": "approve", "wait_minutes/servicedesk_plus/reply": "45"}
    opened = (await send(client, made["id"], typed, open="knowledge")).text
    typed = boxes(opened)
    assert typed["mode/servicedesk_plus/reply"] == "approve"
    assert typed["mode/knowledge/search_articles"] == ""
    typed |= {"mode/knowledge/search_articles": "allow", "mode/servicedesk_plus/add_note": ""}

    review = await send(client, made["id"], typed, step="review")
    said = words_of(review.text)
    assert re.search(r"It may do from now on .*Search articles Knowledge .*Reply ManageEngine ServiceDesk Plus", said)
    assert "a person (operator) approves each call first, within 45 min, on the ticket that started it" in said
    assert re.search(r"It may not do any more .*Writes Add note", said)
    assert await granted(admin, made["id"]) == {SDP: ["add_note", "get_ticket"]}
    assert boxes(review.text) == {**typed}

    saved = await send(client, made["id"], boxes(review.text), step="save")
    assert (saved.status_code, saved.headers["location"]) == (303, f"/agents/{made['id']}?done=tools")
    reply = {"mode": "approve", "scope": "own", "approver": "operator", "wait_minutes": 45}
    assert await granted(admin, made["id"]) == {
        "knowledge": ["search_articles"],
        SDP: {"get_ticket": {"mode": "allow", "scope": "own"}, "reply": reply},
    }
    assert (await send(client, made["id"], typed, step="save")).status_code == 412


async def test_what_cannot_be_granted_is_said_beside_it_and_changes_nothing(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, tool_operations=NOTE)
    client = await person(api, "editor")
    typed = boxes((await client.get(f"/agents/{made['id']}/tools")).text)
    wrong = {
        "wait_minutes/servicedesk_plus/reply": "soon",
        "mode/servicedesk_plus/reply": "approve",
    }
    refused = await send(client, made["id"], {**typed, **wrong})
    assert refused.status_code == 422
    assert 'id="fault-servicedesk_plus-reply"' in refused.text
    assert 'value="soon"' in refused.text
    alone = await send(client, made["id"], {**typed, "mode/servicedesk_plus/ask_requester": "allow"}, step="review")
    assert "grant &#39;reply&#39; as well" in alone.text
    # What the outcome needs is said before anything is saved, as the API would refuse it.
    await admin.patch(f"/api/v1/agents/{made['id']}", json={"outcome": {"kind": "report", "on_ticket": True}})
    silent = await send(client, made["id"], {**typed, "mode/servicedesk_plus/add_note": ""}, step="review")
    assert silent.status_code == 422
    assert "needs the grant &#39;add_note&#39;" in silent.text
    for odd in ({"mode/jira/no_such": "allow"}, {"mode/nope/reply": "allow"}, {f"mode/{SDP}/reply": "perhaps"}):
        for step in ("review", "save"):
            answer = await send(client, made["id"], {**typed, **odd}, step=step, revision="2")
            assert answer.status_code == 422, (odd, step)
    assert await granted(admin, made["id"]) == {SDP: ["add_note", "get_ticket"]}


async def test_what_a_tool_offers_no_more_is_said_to_be_lost(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, tool_operations=NOTE)
    async with api.db.tenant_session("acme") as session:
        tool = await session.get_one(AgentTool, (made["id"], SDP))
        tool.operations = ["add_note", "get_ticket", "read_minds"]
        session.add(AgentTool(agent_id=tool.agent_id, tenant_id="acme", tool_id="openapi:gone", operations=["look"]))
    client = await person(api, "editor")
    page = (await client.get(f"/agents/{made['id']}/tools")).text
    assert "is not there any more; saving takes it from the agent" in page
    review = await send(client, made["id"], boxes(page))
    assert re.search(
        r"It may not do any more .*Look openapi:gone .*Read minds ManageEngine ServiceDesk Plus", words_of(review.text)
    )
    assert "It may do from now on" not in review.text
    same = await api.agent(admin, tool_operations=NOTE)
    page = (await client.get(f"/agents/{same['id']}/tools")).text
    assert "Nothing changes" in (await send(client, same["id"], boxes(page))).text


async def test_what_a_desk_does_not_offer_is_said_and_cannot_be_chosen(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, tool_operations=NOTE)
    beyond = replace(desk.OPERATIONS[-1], name="read_minds", description="Read minds.", requires=None)
    monkeypatch.setattr(desk, "OPERATIONS", (*desk.OPERATIONS, beyond))
    client = await person(api, "editor")
    page = (await client.get(f"/agents/{made['id']}/tools")).text
    assert re.search(r"Read minds Read minds\. ManageEngine ServiceDesk Plus does not offer it", words_of(page))
    assert not any("read_minds" in name for name in boxes(page))
    answer = await send(client, made["id"], {**boxes(page), f"mode/{SDP}/read_minds": "allow"})
    assert answer.status_code == 422


async def test_an_active_agent_keeps_what_it_needs_and_says_what_will_fail(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, tool_operations=NOTE, status="active")
    client = await person(api)
    typed = boxes((await client.get(f"/agents/{made['id']}/tools")).text)
    none = dict.fromkeys(typed, "")
    review = await send(client, made["id"], none)
    assert "It is active: the next run works with these." in words_of(review.text)
    refused = await send(client, made["id"], none, step="save")
    assert refused.status_code == 409
    assert "at least one tool is needed" in refused.text
    saved = await send(client, made["id"], {**typed, "mode/servicedesk_plus/resolve": "allow"}, step="save")
    assert saved.status_code == 200
    assert "It is on, and this will fail as things are" in saved.text
    assert "Its tools are changed" not in words_of((await client.get(f"/agents/{made['id']}?done=nothing")).text)


async def test_who_may_not_change_an_agent_is_shown_no_way_to(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    for role in ("viewer", "operator"):
        client = await person(api, role)
        assert "Change what it may do" not in (await client.get(f"/agents/{made['id']}")).text
        assert (await client.get(f"/agents/{made['id']}/tools")).status_code == 403
        answer = await form(client, "/executions", f"/agents/{made['id']}/tools", revision="1", step="save")
        assert answer.status_code == 403
