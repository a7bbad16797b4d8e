"""The forms about a run without a browser's scripts: who may, what stays text, and what is put back."""

from __future__ import annotations

import html
import json
import re
from uuid import UUID

import httpx2
import pytest
from tests.support.console import Console
from tests.support.decisions import in_doubt, replayed, second_version, write

from deskhand.engine.models import AgentExecution

EVIL = '<img src=x onerror="alert(1)">'
FORMS = {
    "replay": {"agent_version": "1", "mode": "dry_run"},
    "retry-with": {"input": '{"a": 1}'},
    "answer": {"step_key": "add_note:note", "done": "true"},
}


async def token_of(browser: httpx2.AsyncClient) -> str:
    page = (await browser.get("/executions")).text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


async def test_forms_are_for_operators_of_the_tenant_with_the_sessions_token(console: Console) -> None:
    agent = await console.agent()
    own = {
        "replay": await console.execution(agent, status="completed"),
        "retry-with": await console.execution(agent, status="failed", tool_type=None, ticket=None),
        "answer": await in_doubt(console, agent),
    }
    theirs = await in_doubt(console, await console.agent("globex"))
    viewer, operator = await console.browser(role="viewer"), await console.browser(role="operator")
    looking, token = await token_of(viewer), await token_of(operator)

    for verb, form in FORMS.items():
        address = f"/executions/{own[verb]}/{verb}"
        refused = [
            await viewer.post(address, data={**form, "csrf": looking}),
            await operator.post(address, data=form),
            await operator.post(f"/executions/{theirs}/{verb}", data={**form, "csrf": token}),
        ]
        assert [answer.status_code for answer in refused] == [403, 403, 404], verb
        page = (await viewer.get(f"/executions/{own[verb]}")).text
        assert f"/{verb}" not in page
        done = await operator.post(address, data={**form, "csrf": token})
        assert (done.status_code, done.headers["location"].split("/")[1]) == (303, "executions"), verb
    bulk = {"verb": "dismiss", "number": "5"}
    assert (await viewer.post("/executions/bulk", data={**bulk, "csrf": looking})).status_code == 403
    assert (await operator.post("/executions/bulk", data=bulk)).status_code == 403
    assert (await viewer.get("/executions/bulk?verb=retry")).status_code == 403


@pytest.mark.parametrize("status", ["waiting", "completed", "failed", "cancelled"])
async def test_the_page_asks_whoever_may_answer_and_says_what_comes_of_it(console: Console, status: str) -> None:
    run = await in_doubt(console, await console.agent(), status=status)
    viewer, operator = await console.browser(role="viewer"), await console.browser(role="operator")
    page, looking = [(await one.get(f"/executions/{run}")).text for one in (operator, viewer)]
    assert "Was this written?" in page
    assert "Was this written?" in looking
    assert ("Not done: the run writes it now" in page) == (status == "waiting")
    assert ("the run has ended and does not write it" in page) == (status != "waiting")
    assert ("do-answer-done" in page, "do-answer-done" in looking) == (True, False)
    form = {**FORMS["answer"], "csrf": await token_of(operator)}
    assert (await operator.post(f"/executions/{run}/answer", data=form)).status_code == 303
    assert "Was this written?" not in (await operator.get(f"/executions/{run}")).text


async def test_what_a_ticket_says_stays_text_and_credentials_stay_hidden(console: Console) -> None:
    agent = await console.agent(name=EVIL)
    await second_version(console, agent)
    payload = {"request": {"subject": EVIL}, "api_key": "very-secret", "closing": "</textarea><script>"}
    failed = await console.execution(agent, status="failed", error_message=EVIL, input_payload=payload)
    await write(console, failed, state="in_doubt", finished_at=None)
    waiting = await in_doubt(console, agent, ticket=EVIL, input_payload=payload)
    _, dry = await replayed(console, agent)
    browser = await console.browser(role="operator")
    paths = [f"/executions/{failed}/retry-with", f"/executions/{failed}/replay", f"/executions/{waiting}"]
    for path in (*paths, f"/executions/{dry}", f"/executions/bulk?verb=retry&agent={agent.id}"):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text
        assert "</textarea><script" not in answer.text
        assert "very-secret" not in answer.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style", answer.text)

    typed = re.search(r"<textarea[^>]*>(.*?)</textarea>", (await browser.get(paths[0])).text, re.DOTALL)
    assert typed
    edited = {**json.loads(html.unescape(typed[1])), "closing": "mended"}
    form = {"input": json.dumps(edited), "even_though_written": "true", "csrf": await token_of(browser)}
    made = await browser.post(paths[0], data=form)
    assert made.status_code == 303, made.text
    async with console.db.tenant_session("acme") as session:
        row = await session.get_one(AgentExecution, UUID(made.headers["location"].rsplit("/", 1)[1]))
    assert row.input_payload == {**payload, "closing": "mended"}
