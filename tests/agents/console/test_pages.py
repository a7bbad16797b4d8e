"""Pages of agents without a browser's scripts: what they show, to whom, and what their buttons do."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx2
from tests.support.api import Api
from tests.support.people import account, browser, form

from deskhand.agents.models import AgentTrigger


async def person(api: Api, role: str = "tenant_admin") -> httpx2.AsyncClient:
    """A browser of somebody in acme."""
    await account(api, f"{role}@acme.example", acme=role)
    return await browser(api, f"{role}@acme.example", "acme")


def words_of(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_the_list_is_searched_filtered_and_paged(api: Api) -> None:
    admin = await api.tenant()
    await api.tenant("globex")
    triage = await api.agent(admin, name="Triage", description="Sorts what is new.")
    report = await api.agent(
        admin,
        name="Morning report",
        llm_config={"model": "gpt-4o"},
        tool_ids=["knowledge"],
        triggers=[{"trigger_type": "schedule", "schedule_cron": "30 8 * * 1-5", "schedule_timezone": "Europe/Berlin"}],
    )
    client = await person(api, "viewer")

    async def shown(**query: str) -> set[str]:
        page = await client.get("/agents", params=query)
        assert page.status_code == 200
        return set(re.findall(r'id="open-([0-9a-f-]+)"', page.text))

    both = {triage["id"], report["id"]}
    assert await shown() == both
    assert await shown(q="SORTS") == {triage["id"]}
    assert await shown(tool="knowledge") == {report["id"]}
    assert await shown(model="gpt-4o") == {report["id"]}
    assert await shown(status="draft") == both
    assert await shown(status="active") == set()
    assert await shown(status="no such state", cursor="") == both
    text = words_of((await client.get("/agents")).text)
    assert "At 08:30 on Monday through Friday (Europe/Berlin)" in text
    assert "When its webhook gets an event" in text
    assert "No agent fits" in (await client.get("/agents", params={"q": "nothing"})).text
    stranger = await browser(api, (await account(api, "x@globex.example", globex="viewer")).email, "globex")
    assert "No agents yet" in (await stranger.get("/agents")).text
    assert (await stranger.get(f"/agents/{triage['id']}")).status_code == 404


async def test_long_lists_go_on_with_the_same_filters(api: Api) -> None:
    admin = await api.tenant()
    for number in range(52):
        await api.agent(admin, name=f"Agent {number:02}")
    client = await person(api)
    first = (await client.get("/agents", params={"q": "Agent"})).text
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None
    second = (await client.get(link[1].replace("&amp;", "&"))).text
    assert first.count('class="row-link"') == 50
    assert re.findall(r"Agent \d\d(?=</a>)", second) == ["Agent 01", "Agent 00"]
    assert 'value="Agent"' in second
    assert ">First</a>" in second


async def test_an_agent_is_shown_whole_and_its_secret_never(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(
        admin,
        system_prompt="You work for {{tenant_name}} on {{ticket.subject}}.",
        tool_ids=["servicedesk_plus", "knowledge"],
        tool_operations={
            "servicedesk_plus": {"get_ticket": "allow", "add_note": {"mode": "approve", "scope": "own"}},
        },
    )
    [secret] = made["webhook_secrets"]
    client = await person(api, "viewer")
    page = (await client.get(f"/agents/{made['id']}")).text
    text = words_of(page)
    assert "You work for {{tenant_name}} on {{ticket.subject}}." in text
    assert "Printer on floor 3 does not answer." in text
    assert "a person (operator) approves each call first, within a day, on the ticket that started it" in text
    assert re.search(r"Reads\s+Get ticket", text)
    assert re.search(r"Writes\s+Add note", text)
    assert f"http://deskhand.example.com/agents/{made['id']}/webhook" in text
    assert secret["secret"] not in page
    assert "Somebody with the role operator turns it on and off." in text
    assert '<form method="post" action="/agents/' not in page
    assert (await client.get(f"/agents/{uuid4()}")).status_code == 404


async def test_what_is_gone_or_cannot_be_read_any_more_still_has_its_page(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, triggers=[{"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}])
    async with api.db.tenant_session("acme") as session:
        trigger = await session.get_one(AgentTrigger, made["triggers"][0]["id"])
        trigger.schedule_timezone = "Mars/Olympus"
    text = words_of((await (await person(api)).get(f"/agents/{made['id']}")).text)
    assert "The schedule cannot be read" in text


async def test_an_agent_goes_through_its_life_by_buttons_that_say_what_they_do(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    address = f"/agents/{made['id']}"
    client = await person(api, "operator")

    async def press(verb: str, revision: int) -> httpx2.Response:
        return await form(client, address, f"{address}/{verb}", revision=str(revision))

    assert "From now on its triggers start it" in (await client.get(address)).text
    activated = await press("activate", 1)
    # No desk and no model answers here, and whoever switched it on is told at once.
    assert activated.status_code == 200
    assert "It is on, and this will fail as things are" in activated.text
    assert "Active</span>" in activated.text
    suspended = await press("suspend", 2)
    assert (suspended.status_code, suspended.headers["location"]) == (303, f"{address}?done=suspend")
    assert "its triggers are ignored" in (await client.get(suspended.headers["location"])).text
    stale = await press("resume", 2)
    assert stale.status_code == 412
    assert "changed meanwhile" in stale.text
    assert "It is active again." in (await press("resume", 3)).text
    twice = await press("activate", 4)
    assert twice.status_code == 409
    assert "cannot go from &#39;active&#39; to &#39;active&#39;" in twice.text
    asked = (await client.get(address)).text
    assert "It never runs again and cannot be changed or brought back" in asked
    assert (await press("delete", 4)).headers["location"] == f"{address}?done=delete"
    gone = (await client.get(address)).text
    assert "Deleted</span>" in gone
    assert "do-delete" not in gone
    assert made["id"] not in (await client.get("/agents")).text
    assert made["id"] in (await client.get("/agents", params={"status": "inactive"})).text
    log = (await admin.get("/api/v1/audit", params={"resource_id": made["id"]})).json()["items"]
    done = [one["operation"] for one in log if one["actor"] != made["created_by"]]
    assert sorted(done) == ["agent.activate", "agent.delete", "agent.resume", "agent.suspend"]


async def test_what_is_missing_is_named_at_once_and_nothing_is_changed(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, triggers=[], tool_ids=[])
    client = await person(api)
    address = f"/agents/{made['id']}"
    refused = await form(client, address, f"{address}/activate", revision="1")
    assert refused.status_code == 409
    text = words_of(refused.text)
    assert "at least one trigger is needed" in text
    assert "at least one tool is needed" in text
    assert (await admin.get(f"/api/v1/agents/{made['id']}")).json()["status"] == "draft"


async def test_versions_are_compared_and_rolled_back_to(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, system_prompt="Be short.\nBe kind.")
    path = f"/api/v1/agents/{made['id']}"
    await admin.patch(path, json={"system_prompt": "Be short.\nBe exact.", "llm_config": {"model": "gpt-4o"}})
    client = await person(api, "editor")
    address = f"/agents/{made['id']}/versions"

    listed = (await client.get(address)).text
    assert words_of(listed).count("Prompt, model settings") == 1
    assert "The beginning" in listed
    assert made["created_by"] in listed
    compared = (await client.get(address, params={"before": "1"})).text
    assert "<del>Be kind.</del>" in compared
    assert "<ins>Be exact.</ins>" in compared
    assert "Model settings · model" in compared
    assert "as version 3" in compared
    assert "They are the same." in (await client.get(address, params={"before": "2"})).text
    assert (await client.get(address, params={"before": "9"})).status_code == 404

    stale = await form(client, f"{address}?before=1", f"{address}/1/rollback", revision="1")
    assert stale.status_code == 412
    back = await form(client, f"{address}?before=1", f"{address}/1/rollback", revision="2")
    assert (back.status_code, back.headers["location"]) == (303, f"/agents/{made['id']}?done=rollback")
    now = (await admin.get(path)).json()
    assert (now["system_prompt"], now["current_version"]) == ("Be short.\nBe kind.", 3)


async def test_a_webhook_that_comes_back_with_a_version_shows_its_new_secret_once(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    await admin.patch(f"/api/v1/agents/{made['id']}", json={"triggers": []})
    client = await person(api)
    address = f"/agents/{made['id']}/versions"
    back = await form(client, f"{address}?before=1", f"{address}/1/rollback", revision="2")
    assert back.status_code == 200
    shown = re.search(r'class="secret" id="secret-[0-9a-f-]+">([^<]+)<', back.text)
    assert shown is not None
    assert shown[1].startswith("whsec_")
    assert back.headers["cache-control"] == "no-store"
    assert shown[1] not in (await client.get(f"/agents/{made['id']}")).text


async def test_who_may_not_press_a_button_is_shown_none_and_refused(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    await admin.patch(f"/api/v1/agents/{made['id']}", json={"system_prompt": "Another prompt for it."})
    address = f"/agents/{made['id']}"
    editor, operator, viewer = [await person(api, role) for role in ("editor", "operator", "viewer")]

    assert "do-activate" in (await operator.get(address)).text
    assert "do-rollback" in (await editor.get(f"{address}/versions?before=1")).text
    for client, hidden in ((editor, "do-activate"), (viewer, "do-activate")):
        assert hidden not in (await client.get(address)).text
        assert (await form(client, "/executions", f"{address}/activate", revision="2")).status_code == 403
    for client in (operator, viewer):
        assert "do-rollback" not in (await client.get(f"{address}/versions?before=1")).text
        answer = await form(client, "/executions", f"{address}/versions/1/rollback", revision="2")
        assert answer.status_code == 403
    now = (await admin.get(f"/api/v1/agents/{made['id']}")).json()
    assert (now["status"], now["revision"]) == ("draft", 2)


async def test_a_form_without_the_revision_it_was_drawn_for_changes_nothing(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api)
    address = f"/agents/{made['id']}"
    assert (await form(client, address, f"{address}/activate", revision="9")).status_code == 412
    for revision in ("", "*", "0", "1.5", '1", "2', "9" * 20):
        answer = await form(client, address, f"{address}/activate", revision=revision)
        assert answer.status_code == 422, revision
    assert (await form(client, address, f"{address}/activate")).status_code == 422
    assert (await admin.get(f"/api/v1/agents/{made['id']}")).json()["status"] == "draft"


async def test_an_address_that_claims_something_was_done_says_only_what_it_knows(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api, "viewer")
    assert 'id="done"' in (await client.get(f"/agents/{made['id']}?done=save")).text
    assert 'id="done"' not in (await client.get(f"/agents/{made['id']}?done=hacked")).text
    assert (await client.get(f"/agents/{made['id']}?done={'x' * 21}")).status_code == 422
