"""``kill -9`` over a notice: nothing is told twice, and nothing that certainly did not leave is lost."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from tests.chaos.conftest import StartFor, StartProcess
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.notices import ANN, Office, notice_states, pass_time, running_office

from deskhand.kit.db.session import Database

pytestmark = pytest.mark.chaos
KEY = Fernet.generate_key().decode()
TAKEN = "INSERT INTO approval_notices"
LEAVING = "UPDATE approval_notices SET state = 'handed'"
SETTLED = "UPDATE approval_notices SET state = 'sent'"


@pytest.fixture
async def office(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Office]:
    async with (
        running_api(database_urls.app_url, key=KEY) as api,
        running_office(api, database_urls.app_url) as running,
    ):
        yield running


@pytest.fixture
def notifying_process(processes_of: StartFor, database_urls: DatabaseUrls) -> StartProcess:
    """Starts workers that tell people what waits, with the key that the API of this test has."""
    installation: Any = SimpleNamespace(app_url=database_urls.app_url, keys=(KEY,), model_url="")
    return processes_of(installation)


async def killed(office: Office, processes: StartProcess, statement: str) -> None:
    """A worker begins to tell of one call, and dies in the transaction of a statement."""
    answer = await office.set_notices(mail=[ANN])
    assert answer.is_success, answer.text
    await office.call()
    victim = await processes(statement=statement, notices=True)
    assert await victim.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("statement", "left"), [(TAKEN, []), (LEAVING, ["begun"])], ids=["taken", "leaving"])
async def test_what_had_not_left_is_sent_once(
    office: Office, notifying_process: StartProcess, statement: str, left: list[str]
) -> None:
    await killed(office, notifying_process, statement)
    assert office.mailbox.mails == []
    assert await notice_states(office.api.db, "acme") == left
    await office.look(after=6)
    await office.look(after=60)
    assert len(office.mailbox.mails) == 1
    assert await notice_states(office.api.db, "acme") == ["sent"]


async def test_between_the_servers_yes_and_our_record_it_stays_one_and_is_said_to_be_in_doubt(
    office: Office, notifying_process: StartProcess
) -> None:
    await killed(office, notifying_process, SETTLED)
    assert len(office.mailbox.mails) == 1
    assert await notice_states(office.api.db, "acme") == ["handed"]
    await office.look(after=6)
    assert await notice_states(office.api.db, "acme") == ["doubt"]
    await office.look(after=60)
    assert len(office.mailbox.mails) == 1
    log = (await office.admin.get("/api/v1/audit", params={"operation": "approval.notice"})).json()["items"]
    assert [(entry["status"], entry["details"]["state"]) for entry in log] == [("failure", "doubt")]
    # By it whoever looks finds the mail that the log speaks of.
    assert log[0]["resource_id"] in office.mailbox.mails[0]["Message-ID"]
    # What comes later is told as ever.
    await office.call("1043")
    await pass_time(office.api.db, "acme", 11)
    assert len(await office.look()) == 2
