"""The pages of an undo of a version since a time, without a browser's scripts, and what they read of the journals."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.console import Console, running_console
from tests.support.lent import LENDER
from tests.support.logins import PROVER

from deskhand.agents.models import Agent
from deskhand.kit.db.session import Database
from deskhand.work.undo import repository
from deskhand.work.undo.schemas import UNDO

MAIL = {"kind": "write", "step_key": "send_mail:1", "input": {"target": "mail/", "to": ["bob@acme.test"]}}
FOREIGN = "0" * 64


@pytest.fixture
async def console(clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant) -> AsyncIterator[Console]:
    """A running console with one tenant."""
    await make_tenant("acme")
    pool = await LENDER.pool(database_urls.app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
    async with running_console(clean_db, pool) as running:
        yield running
    await pool.close()


async def mailed(console: Console, agent: Agent) -> UUID:
    """An ended run that sent a mail."""
    run = await console.execution(agent, status="completed", attempt=1, ago=60)
    await console.step("acme", run, "send_mail", **MAIL)
    return run


async def test_the_run_links_to_what_its_version_wrote_since_and_the_page_shows_it(console: Console) -> None:
    agent = await console.agent()
    run = await mailed(console, agent)
    browser = await console.browser()
    shown = (await browser.get(f"/executions/{run}")).text
    link = re.search(r'id="go-undo-version" href="([^"]+)"', shown)
    assert link is not None, shown
    page = await browser.get(link[1])

    assert page.status_code == 200
    assert "what version 1 wrote since" in page.text
    assert "It went to bob@acme.test" in page.text
    assert "Nothing of this can be put back" in page.text
    assert f'href="/executions?agent={agent.id}"' in page.text
    assert 'id="do-undo"' not in page.text
    viewer = await console.browser(role="viewer")
    assert (await viewer.get(link[1])).status_code == 403


async def test_the_page_says_what_is_in_its_way_or_that_nothing_was_written(console: Console) -> None:
    agent = await console.agent()
    run = await mailed(console, agent)
    browser, since = await console.browser(), {"since": (await console.now()).isoformat()}
    path = f"/agents/{agent.id}/versions/1/undo"
    assert "Nothing was written" in (await browser.get(path, params=since)).text
    assert (await browser.get(f"/agents/{agent.id}/versions/9/undo", params=since)).status_code == 404
    assert (await browser.get(f"/agents/{uuid4()}/versions/1/undo", params=since)).status_code == 404

    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await browser.get(f"/executions/{run}")).text)
    assert csrf is not None
    form = {"csrf": csrf[1], "digest": FOREIGN, **since}
    refused = await browser.post(path, data=form)
    assert (refused.status_code, "look at a new preview" in refused.text) == (409, True)
    assert is_refused(await browser.post(path, data={**form, "csrf": FOREIGN}))

    await console.execution(agent, ticket="7", status="running", attempt=1)
    page = await browser.get(path, params=since)
    assert (page.status_code, "1 run of version 1 may still write" in page.text) == (409, True)


def is_refused(answer: httpx2.Response) -> bool:
    return answer.status_code in (400, 403)


async def test_writes_are_read_newest_first_of_one_version_and_of_real_runs_alone(console: Console) -> None:
    agent = await console.agent()
    first, second = await mailed(console, agent), await mailed(console, agent)
    dry = await console.execution(agent, ticket="8", status="completed", mode="dry_run", attempt=1)
    await console.step("acme", dry, "send_mail", **MAIL)
    await console.step("acme", second, "add_note", kind="write", step_key="add_note:1", state="failed")
    await console.step("acme", second, "get_ticket")
    now = await console.now()
    async with console.db.tenant_session("acme") as session:
        version = await repository.version_of(session, agent.id, 1)
        assert version is not None
        assert await repository.version_of(session, agent.id, 2) is None
        assert await repository.name_of(session, uuid4()) is None
        assert await repository.count_unfinished(session, version) == 0
        written = await repository.writes_of_version(session, version, now - timedelta(hours=1), 9)
        assert [one.key.execution_id for one in written] == [second, first]
        assert [one.operation for one in await repository.writes_of_version(session, version, now, 9)] == []
        assert len(await repository.writes_of_version(session, version, now - timedelta(hours=1), 1)) == 1
        assert await repository.writes_of_run(session, second, "add_note:1") == []
        (mail,) = await repository.writes_of_run(session, second, "send_mail:1")
    assert (mail.tool_type, mail.ticket_id, mail.receipt, mail.in_doubt) == ("mail", None, None, False)


async def test_an_undo_is_known_by_the_writes_that_it_takes_back(console: Console) -> None:
    agent = await console.agent()
    run = await mailed(console, agent)
    plan = {"undoes": [f"{run}/reply:1", f"{run}/add_note:1"]}
    undo = await console.execution(agent, status="completed", mode=UNDO, attempt=1, input_payload=plan)
    step = {"kind": "write", "step_key": "undo:0", "input": {"undoes": [f"{run}/reply:1"]}}
    await console.step("acme", undo, "withdraw_note", **step)
    async with console.db.tenant_session("acme") as session:
        (known,) = await repository.undos_of(session, agent.id, [f"{run}/reply:1"])
        assert (known.id, list(await repository.undos_of(session, agent.id, [f"{run}/reply:2"]))) == (undo, [])
        assert await repository.withdrawn_notes(session, [undo]) == {f"{run}/reply:1"}
