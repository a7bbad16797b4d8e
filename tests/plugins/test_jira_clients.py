"""Clients written by others work against the simulated Jira; they are independent of our reading of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.plugins.jira_desk import TOKEN, make_simulator, reset

from deskhand.simulators.base import run_in_process
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.jira.world import account_id

BOT = "deskhand@desk.test"


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[tuple[JiraSimulator, str]]:
    simulator = make_simulator()
    async with run_in_process(simulator.build()) as server:
        yield simulator, server.url


@pytest.fixture
def tickets(site: tuple[JiraSimulator, str]) -> list[str]:
    simulator, _ = site
    reset(simulator)
    simulator.store.person("ines@desk.test", is_agent=True)
    requester = simulator.store.person("requester@corp.test")
    return [
        simulator.file_ticket(
            subject=f"Printer {n} jams", description=simulator.from_markdown("**Paper** jam"), requester=requester
        ).display_id
        for n in range(3)
    ]


def _jira(url: str, version: str) -> Any:
    jira = pytest.importorskip("jira", reason="the client 'jira' is not installed")
    options = {"rest_api_version": version}
    return jira.JIRA(server=url, basic_auth=(BOT, TOKEN), options=options, max_retries=0)


async def test_pypi_jira_reads_and_searches_version_3(site: tuple[JiraSimulator, str], tickets: list[str]) -> None:
    def use() -> None:
        client = _jira(site[1], "3")
        assert client.server_info()["deploymentType"] == "Cloud"
        assert client.myself()["accountId"] == account_id(site[0].store.bot)
        assert {"summary", "priority"} <= {field["id"] for field in client.fields()}
        first = client.search_issues("project = HELP ORDER BY key ASC", maxResults=2)
        assert [issue.key for issue in first] == tickets[:2]
        every = client.search_issues("project = HELP AND text ~ printer ORDER BY key ASC", maxResults=False)
        assert [issue.key for issue in every] == tickets
        issue = client.issue(tickets[0])
        assert issue.fields.summary == "Printer 0 jams"
        assert issue.fields.status.statusCategory.key == "new"
        with pytest.raises(Exception, match="Unbounded JQL"):
            client.search_issues("ORDER BY key")

    await asyncio.to_thread(use)


async def test_pypi_jira_works_a_ticket_with_wiki_text(site: tuple[JiraSimulator, str], tickets: list[str]) -> None:
    def use() -> None:
        client = _jira(site[1], "2")
        internal = client.add_comment(tickets[0], "Looked at *everything*.", is_internal=True)
        public = client.add_comment(tickets[0], "We are on it.")
        assert [comment.id for comment in client.comments(tickets[0])] == [internal.id, public.id]
        assert client.comments(tickets[0])[0].body == "Looked at *everything*."
        issue = client.issue(tickets[0])
        issue.update(fields={"summary": "Printer on floor 3 jams"}, priority={"name": "High"})
        issue.add_field_value("labels", "ai-triaged")
        client.assign_issue(tickets[0], "ines@desk.test")
        moves = {move["name"]: move["id"] for move in client.transitions(tickets[0])}
        client.transition_issue(tickets[0], moves["Resolve this issue"], resolution={"name": "Done"}, comment="Fixed.")
        done = client.issue(tickets[0]).fields
        assert (done.summary, done.priority.name, done.labels) == ("Printer on floor 3 jams", "High", ["ai-triaged"])
        assert (done.assignee.emailAddress, done.status.name, done.resolution.name) == (
            "ines@desk.test",
            "Resolved",
            "Done",
        )

    await asyncio.to_thread(use)
    notes = next(t for t in site[0].store.tickets.values() if t.display_id == tickets[0]).notes
    assert [note.public for note in notes] == [False, True, True]


async def test_pypi_jira_meets_the_vendors_refusals(site: tuple[JiraSimulator, str], tickets: list[str]) -> None:
    def use() -> None:
        client = _jira(site[1], "3")
        errors = pytest.importorskip("jira.exceptions")
        with pytest.raises(errors.JIRAError) as wrong:  # version 3 takes ADF, this client sends plain text
            client.add_comment(tickets[0], "plain text")
        assert wrong.value.status_code == 400
        with pytest.raises(errors.JIRAError) as missing:
            client.issue("HELP-4711")
        assert missing.value.status_code == 404

    await asyncio.to_thread(use)


async def test_pypi_jira_creates_issues_and_finds_service_desks(
    site: tuple[JiraSimulator, str], tickets: list[str]
) -> None:
    def use() -> None:
        client = _jira(site[1], "2")
        made = client.create_issue(
            project="HELP", summary="New laptop", description="h2. Please", issuetype={"name": "[System] Incident"}
        )
        assert client.issue(made.key).fields.description == "h2. Please"
        assert [desk.projectKey for desk in client.service_desks()] == ["HELP"]

    await asyncio.to_thread(use)


async def test_atlassian_python_api_searches_and_comments(site: tuple[JiraSimulator, str], tickets: list[str]) -> None:
    atlassian = pytest.importorskip("atlassian", reason="the client 'atlassian-python-api' is not installed")

    def use() -> None:
        client = atlassian.Jira(url=site[1], username=BOT, password=TOKEN, cloud=True, api_version="3")
        found = client.enhanced_jql("project = HELP ORDER BY key ASC", fields="summary", limit=2)
        assert [issue["fields"]["summary"] for issue in found["issues"]] == ["Printer 0 jams", "Printer 1 jams"]
        rest = client.enhanced_jql(
            "project = HELP ORDER BY key ASC", fields="summary", limit=2, nextPageToken=found["nextPageToken"]
        )
        assert [issue["fields"]["summary"] for issue in rest["issues"]] == ["Printer 2 jams"]
        assert rest["isLast"] is True

        desk = atlassian.ServiceDesk(url=site[1], username=BOT, password=TOKEN, cloud=True)
        assert [row["projectKey"] for row in desk.get_service_desks()] == ["HELP"]
        written = desk.create_request_comment(tickets[0], "Looked at *everything*.", public=False)
        assert written["public"] is False
        assert desk.get_request_comments(tickets[0])[0]["body"] == "Looked at *everything*."
        assert desk.get_customer_request(tickets[0])["currentStatus"]["status"] == "Waiting for support"
        desk.perform_transition(tickets[0], "11")
        assert desk.get_customer_request_status(tickets[0]) is not None

    await asyncio.to_thread(use)
