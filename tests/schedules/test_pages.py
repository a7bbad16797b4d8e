"""The list of schedules, over the API and as a page without a browser's scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.console import Console, console_of_two

from deskhand.kit.db.session import Database
from deskhand.schedules.models import ScheduleFire

QUARTERLY = "0 9 1 1,4,7,10 *"  # its next five times are in winter and in summer, whenever this runs


@pytest.fixture
async def console(clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running


async def test_every_schedule_of_the_tenant_with_its_next_and_latest_times(console: Console) -> None:
    beta, alpha = await console.agent(name="Beta"), await console.agent(name="Alpha")
    first = await console.schedule(alpha, QUARTERLY, "Europe/Berlin", misfire_policy="all")
    second = await console.schedule(beta, "*/5 * * * *", is_paused=True)
    await console.schedule(await console.agent("globex", name="Theirs"), "0 1 * * *")
    run = await console.execution(alpha, status="completed", ticket=None, attempt=1)
    now = await console.now()
    async with console.db.tenant_session("acme") as session:
        for ago, outcome, execution in [(n, "skipped", None) for n in range(2, 9)] + [(1, "fired", run)]:
            fire = {"fire_at": now - timedelta(hours=ago), "outcome": outcome, "execution_id": execution}
            session.add(ScheduleFire(tenant_id="acme", trigger_id=first, **fire))
    client = await console.client(role="viewer")

    page = (await client.get("/api/v1/schedules", params={"limit": 1})).json()
    rest = (await client.get("/api/v1/schedules", params={"limit": 1, "cursor": page["next_cursor"]})).json()

    [one], [other] = page["items"], rest["items"]
    assert (one["trigger_id"], one["agent_name"], one["not_firing"]) == (str(first), "Alpha", None)
    assert (other["trigger_id"], other["not_firing"]) == (str(second), "The schedule is paused.")
    assert rest["next_cursor"] is None
    assert {datetime.fromisoformat(at["local"]).utcoffset() for at in one["upcoming"]} == {
        timedelta(hours=1),
        timedelta(hours=2),
    }
    assert [(at["outcome"], at["execution_status"]) for at in one["last_fires"]] == [
        ("fired", "completed"), *[("skipped", None)] * 4,
    ]  # fmt: skip
    assert one["last_fires"][0]["execution_id"] == str(run)

    text = (await (await console.browser()).get("/schedules")).text
    assert text.index("Alpha") < text.index("Beta")
    assert 'href="/schedules" aria-current="page"' in text
    assert "Every missed time runs, if it is at most 1 h 00 min late." in text
    assert '<span class="offset">+01:00</span>' in text
    assert '<span class="offset">+02:00</span>' in text
    assert f'href="/executions/{run}"' in text
    assert "Theirs" not in text


async def test_the_preview_works_without_scripts_and_the_first_page_says_how_to_begin(console: Console) -> None:
    browser = await console.browser(role="viewer")

    empty = (await browser.get("/schedules")).text
    shown = (await browser.get("/schedules", params={"cron": "30 8 * * 1-5", "zone": "Europe/Berlin"})).text
    wrong = (await browser.get("/schedules", params={"cron": "61 * * * *", "zone": "Mars/Olympus"})).text
    part = (await browser.get("/schedules/preview", params={"cron": "<b>", "zone": ""})).text

    assert "No schedules yet" in empty
    assert "schedule_cron" in empty
    assert "At 08:30 on Monday through Friday" in shown
    assert len(re.findall(r"\d 08:30 <span", shown)) == 5
    assert 'value="30 8 * * 1-5"' in shown
    assert "not an IANA time zone" in wrong
    assert "&lt;b&gt;" in part
    assert "<html" not in part


async def test_buttons_are_for_operators_and_need_the_sessions_token(console: Console) -> None:
    agent = await console.agent()
    trigger = await console.schedule(agent, QUARTERLY)
    theirs = await console.agent("globex")
    other = await console.schedule(theirs, QUARTERLY)
    viewer, operator = await console.browser(role="viewer"), await console.browser(role="operator")
    page = (await operator.get("/schedules")).text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found
    form = {"csrf": found[1]}

    for verb in ("pause", "resume", "run"):
        assert f"/schedules/{agent.id}/{trigger}/{verb}" not in (await viewer.get("/schedules")).text
        assert (await viewer.post(f"/schedules/{agent.id}/{trigger}/{verb}", data=form)).status_code == 403
        assert (await operator.post(f"/schedules/{agent.id}/{trigger}/{verb}")).status_code == 403
        assert (await operator.post(f"/schedules/{theirs.id}/{other}/{verb}", data=form)).status_code == 404

    paused = await operator.post(f"/schedules/{agent.id}/{trigger}/pause", data=form)
    assert (paused.status_code, paused.headers["location"]) == (303, f"/schedules#schedule-{trigger}")
    assert "Paused</span>" in (await operator.get("/schedules")).text
    started = await operator.post(f"/schedules/{agent.id}/{trigger}/run", data=form)
    assert re.fullmatch(r"/executions/[0-9a-f-]{36}", started.headers["location"])
    assert (await operator.get(started.headers["location"])).status_code == 200
