"""Text of strangers that would be a script, in everything that a page shows, on every page that the application has.

The browser's own policy is switched off here: what keeps the text from running must be how it is written, and the
policy (``test_reference``, ``test_console``) is the second wall.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Browser
from tests.access.test_permissions import World, one_of_everything, routes_of
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.attacks import canary_columns
from tests.support.console import Console
from tests.support.people import account, browser
from tests.support.scene import RESULT

from deskhand.kit.db.session import Database
from deskhand.ui.csrf import SESSION_COOKIE

SCRIPT = (
    "\"'><img src=x data-canary onerror=window.__ran=1><svg data-canary onload=window.__ran=1></a><script data-canary>"
)
SCRIPT += "window.__ran=1</script>{{31337*7919}}<a data-canary href=javascript:window.__ran=1>x</a>"
MARKDOWN = f"**{SCRIPT}**\n\n[link](javascript:window.__ran=1) `{SCRIPT}`\n\n# {SCRIPT}\n- {SCRIPT}"
MARKDOWN += '\n\n![image](x"onerror=window.__ran=1)'
NO_PAGES = ("/static", "/openapi.json", "/healthz", "/readyz", "/metrics")
LOOK = """() => [
    document.querySelectorAll('[data-canary]').length,
    Boolean(window.__ran),
    [...document.querySelectorAll('a,area,form,iframe,use,object')].filter(
        (one) => /^\\s*(javascript|data|vbscript):/i.test(
            one.getAttribute('href') || one.getAttribute('action') || one.getAttribute('src') || '')).length,
    document.body.innerText.includes('31337*7919'),
    document.documentElement.innerHTML.includes('248157703'),
]"""


async def planted(world: World, urls: DatabaseUrls) -> None:
    """The script in every text that people, tickets, models and articles bring, and in a run's result and steps."""
    run = world.own["execution_id"]
    for name in (SCRIPT[:60], "draft_note"):
        await world.console.step("acme", UUID(run), name, input={SCRIPT: SCRIPT}, output={"x": [SCRIPT]})
    ticket = {"id": "1", "display_id": SCRIPT, "subject": SCRIPT, "url": "javascript:window.__ran=1",
              "company": {"id": SCRIPT, "name": SCRIPT}}  # fmt: skip
    await world.console.step("acme", UUID(run), "get_ticket", step_key="get_ticket#1", output=ticket)
    change = {"field": SCRIPT, "before_text": SCRIPT, "after_text": SCRIPT}
    for name in ("add_note", "update_ticket"):
        wrote = {"id": "1", "changes": [change]}
        await world.console.step("acme", UUID(run), name, kind="write", input={"body": MARKDOWN}, output=wrote)
    note = {**RESULT["note"], "markdown": MARKDOWN, "sources": [
        {"kind": "article", "ref": SCRIPT, "title": SCRIPT, "url": "javascript:window.__ran=1"},
        {"kind": "ticket", "ref": "1", "title": SCRIPT, "url": f"https://x.test/{SCRIPT}"}]}  # fmt: skip
    connection = await asyncpg.connect(urls.superuser_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE agent_executions SET output_result = $1, input_payload = $2 WHERE tenant_id = 'acme'",
            json.dumps({**RESULT, "note": note, "model": SCRIPT}),
            json.dumps({"event": SCRIPT, "request": {"id": SCRIPT, "subject": SCRIPT, "requester": {"name": SCRIPT}}}),
        )
        for table, column, length in await canary_columns(connection):
            text = SCRIPT if length is None else SCRIPT[:length]
            await connection.execute(f'UPDATE "{table}" SET "{column}" = $1 WHERE "{column}" IS NOT NULL', text)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["tenant_admin", "platform_admin"])
async def test_no_text_of_a_stranger_runs_on_any_page(
    clean_db: Database, database_urls: DatabaseUrls, chromium: Browser, role: str
) -> None:
    async with running_api(database_urls.app_url) as api:
        world = World(api, Console(api.url, api.db, api.app), list(routes_of(api.app)))
        world.own = await one_of_everything(world, "acme")
        await account(api, "eve@acme.example", platform_admin=role == "platform_admin", acme="tenant_admin")
        client = await browser(api, "eve@acme.example", None if role == "platform_admin" else "acme")
        await planted(world, database_urls)
        # The ticket is called so by now, and its page is found under that name.
        world.own["ticket_ref"] = quote(SCRIPT[:100], safe="")
        context = await chromium.new_context(bypass_csp=True, reduced_motion="reduce")
        cookie = client.cookies[SESSION_COOKIE]
        await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": api.url}])
        page = await context.new_page()
        seen, shown, wrong = set(), 0, []
        for route in world.routes:
            if route.method != "GET" or not route.is_page or route.path.startswith(NO_PAGES):
                continue
            address = route.path.format(**world.own)
            head = (await client.head(address)).headers
            if head.get("content-disposition", "").startswith("attachment"):
                # A file to keep: the browser draws nothing of it, whatever is in it.
                assert head["x-content-type-options"] == "nosniff", route.name
                assert "html" not in head["content-type"], route.name
                continue
            answer = await page.goto(api.url + address, wait_until="load")
            found: list[Any] = await page.evaluate(LOOK)
            if answer is not None and answer.status == 200:
                seen.add(route.path)
            shown += bool(found[3])
            if any(found[:3]) or found[4]:
                wrong.append(f"{route.path}: {found}")
        await context.close()
    assert not wrong, "\n".join(wrong)
    # The canary was really there to be drawn: without these the test would praise empty pages.
    assert (len(seen), shown) >= ((8, 5) if role == "tenant_admin" else (3, 2))
    if role == "tenant_admin":
        assert {"/tickets", "/tickets/{tool_type}/{ticket_ref}"} <= seen
