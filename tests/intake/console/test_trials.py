"""Webhooks and filters tried in the console."""

from __future__ import annotations

import re

from tests.agents.console.test_pages import person, words_of
from tests.intake.console.test_setup import event, send
from tests.support.api import Api
from tests.support.people import form

SECRET = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"


async def test_a_test_event_is_sent_from_the_agents_page_and_its_outcome_shown(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    page, path = f"/agents/{made['id']}", f"/agents/{made['id']}/triggers/{made['triggers'][0]['id']}/test"
    client = await person(api, "operator")
    assert "The agent is not active, so no run starts" in (await client.get(page)).text
    off = await form(client, page, path, ticket_id="1042")
    assert off.status_code == 200
    assert "Heard, and nothing was started" in off.text
    await admin.post(f"/api/v1/agents/{made['id']}/activate")
    assert "it starts a run on that ticket" in (await client.get(page)).text
    on = (await form(client, page, path, ticket_id=" 1042 ")).text
    assert "Accepted: it started a run" in on
    assert re.search(r'href="/executions/[0-9a-f-]{36}"', on)
    assert "request.updated about ticket #1042, as ManageEngine ServiceDesk Plus sends it" in words_of(on)
    refused = await form(client, page, path, ticket_id="x")
    assert '<span class="badge failed">400</span>' in refused.text
    for typed in ({"ticket_id": ""}, {"ticket_id": "1", "tool_type": "jira"}):
        answer = await form(client, page, path, **typed)
        assert answer.status_code == 422
        assert "Nothing was sent." in answer.text
    viewer = await person(api, "viewer")
    assert "Send a test event" not in (await viewer.get(page)).text
    assert (await form(viewer, "/executions", path, ticket_id="1")).status_code == 403


async def test_a_filter_is_tried_on_what_came_in_and_says_why_not(api: Api) -> None:
    admin = await api.tenant(webhook_signing_secret=SECRET)
    await api.agent(admin, status="active")
    path = "/deliveries/try-filter"
    client = await person(api, "viewer")
    assert "Nothing to try it on yet" in (await form(client, path, path, event_filter='{"events": ["*"]}')).text
    await send(api, event(), secret=SECRET)
    await send(api, event("request.updated", "8"), secret=SECRET)
    tried = (await form(client, path, path, event_filter='{"events": ["*created"], "words": ["vpn"]}')).text
    assert "Tried on 2 events: 1 would have started a run" in words_of(tried)
    assert "The event filter wants events &#39;*created&#39;" in tried
    opened = await form(client, path, path, event_filter='{"group": ["network"]}')
    assert "and 2 may have" in opened.text


async def test_a_filter_that_is_none_is_said_to_be_none(api: Api) -> None:
    await api.tenant()
    path = "/deliveries/try-filter"
    client = await person(api, "viewer")
    for typed in ("", "{", "[" * 90_000, "[]", '{"nothing": []}', '{"events": []}'):
        answer = await form(client, path, path, event_filter=typed)
        assert answer.status_code == 422, typed[:20]
        assert 'role="alert"' in answer.text
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get(path)).text)
    assert csrf is not None
    part = await client.post(path, data={"csrf": csrf[1], "event_filter": "{"}, headers={"HX-Request": "true"})
    # The part is drawn where the person types, so it comes with the sentence and no refusal of its own.
    assert part.status_code == 200
    assert part.text.startswith('<section class="trial"')
    assert "not JSON" in part.text
