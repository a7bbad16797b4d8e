"""Jira Service Management passes the contract: both ways to write notes, both kinds of webhook, three credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.plugins.jira_desk import (
    ALLOWANCES,
    GATEWAY,
    PLATFORM_SPEC,
    SERVICE_DESK_SPEC,
    is_fault,
    make_plugin,
    make_simulator,
    reset,
)
from tests.plugins.vendor_spec import Recorder, load_spec

from deskhand.plugins.writes import NoteDraft
from deskhand.simulators.base import RunningServer, run_in_process
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.jira.world import GROUP_FIELD, ORGANIZATION_FIELD
from deskhand.simulators.testing import PluginContract, SimulatorHarness, Vocabulary
from deskhand.simulators.testing.failures import CALLS, offers


@dataclass(frozen=True, slots=True)
class Running:
    """One simulator for all tests, with everything that was said to it."""

    simulator: JiraSimulator
    server: RunningServer
    recorder: Recorder


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Running]:
    simulator = make_simulator()
    recorder = Recorder(simulator.build())
    async with run_in_process(recorder) as server:
        yield Running(simulator, server, recorder)


class JiraHarness(SimulatorHarness):
    tells_images = checks_cursors = True

    async def mentions(self, ticket_id: str, url: str) -> int:
        """The platform keeps links to elsewhere apart from the issue."""
        ticket = self.simulator.store.get(ticket_id)
        assert ticket is not None
        return sum(link.url == url for link in ticket.links)


class _Base(PluginContract):
    group: str | None = "Network"
    company: str | None = "Nordwind"
    scheme = "admin"

    @pytest.fixture
    async def desk(self, running: Running) -> AsyncIterator[SimulatorHarness]:
        simulator, server = running.simulator, running.server
        reset(simulator)
        plugin = make_plugin(simulator, server.url, **self.connection(simulator, server.url))
        words = Vocabulary(
            working_status="In progress",
            technician="ines@desk.test",
            group=self.group,
            missing_id="99999",
            custom=("Affected host", "srv-7", "srv-8"),
            company=self.company,
            category="Printing",
        )
        harness = JiraHarness(plugin, simulator, words, scheme=self.scheme)
        harness.signs_time = False  # the signature covers the body only; the body's own time is checked to 24 hours
        harness.signs_body = self.scheme == "admin"
        yield harness
        await plugin.aclose()

    def connection(self, simulator: JiraSimulator, url: str) -> dict[str, Any]:
        raise NotImplementedError


class TestServiceDeskNotes(_Base):
    """API token; notes through servicedeskapi as wiki text; signed admin webhooks."""

    def connection(self, simulator: JiraSimulator, url: str) -> dict[str, Any]:
        return {"jira_group_field": GROUP_FIELD, "jira_organization_field": ORGANIZATION_FIELD}


class TestPlatformNotes(_Base):
    """OAuth client of a service account through the gateway; notes as ADF; Automation's web requests."""

    group = None
    company = None
    scheme = "automation"

    def connection(self, simulator: JiraSimulator, url: str) -> dict[str, Any]:
        return {
            "jira_email": None,
            "jira_client_id": "simulated-client",
            "jira_cloud_id": simulator.cloud_id,
            "jira_gateway_url": url,
            "jira_token_url": f"{url}/oauth/token",
            "jira_note_route": "platform",
        }


async def test_all_of_it_follows_the_vendors_documents(running: Running) -> None:
    """Every request the plugin sent above, and every answer the simulator gave (faults aside, which are no answers)."""
    simulator, url = running.simulator, running.server.url
    reset(simulator)
    simulator.store.person("ines@desk.test", is_agent=True)
    for route in ("servicedesk", "platform"):  # so that this test says something alone, too
        plugin = make_plugin(simulator, url, jira_note_route=route, jira_group_field=GROUP_FIELD)
        words = Vocabulary(working_status="In progress", technician="ines@desk.test", group="Network")
        ticket = simulator.file_ticket(subject="Printer jams", requester=simulator.store.person("a@corp.test"))
        for name, call in CALLS.items():
            if name == "update_note":  # of a note that there is; the table's own call is for answers that are faults
                first = await plugin.add_note(ticket.id, NoteDraft(body="hello"))
                await plugin.update_note(ticket.id, first.id, NoteDraft(body="anew"))
            elif offers(plugin, name):
                await call(plugin, words, ticket.id)
        await plugin.aclose()
    exchanges = [exchange for exchange in running.recorder.exchanges if not is_fault(exchange)]
    platform, desk = load_spec(PLATFORM_SPEC, strip=GATEWAY), load_spec(SERVICE_DESK_SPEC, strip=GATEWAY)
    of_desk = [exchange for exchange in exchanges if "/rest/servicedeskapi" in exchange.path]
    of_platform = [exchange for exchange in exchanges if "/rest/api/" in exchange.path]
    assert len(of_desk) + len(of_platform) == len([e for e in exchanges if not e.path.startswith(("/oauth/", "/_sim"))])
    for spec, seen in ((platform, of_platform), (desk, of_desk)):
        report = spec.check(seen, ALLOWANCES)
        assert not report.problems, report.problems
        assert report.operations
