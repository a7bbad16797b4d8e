"""Jira Service Management passes the contract: both ways to write notes, both kinds of webhook, three credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.plugins.jira_desk import make_plugin, make_simulator, reset

from deskhand.plugins.jira.sim_world import GROUP_FIELD
from deskhand.plugins.jira.simulator import JiraSimulator
from deskhand.plugins.simulation import RunningServer, run_in_process
from deskhand.plugins.testing import PluginContract, SimulatorHarness, Vocabulary


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[tuple[JiraSimulator, RunningServer]]:
    simulator = make_simulator()
    async with run_in_process(simulator.build()) as server:
        yield simulator, server


class _Base(PluginContract):
    group: str | None = "Network"
    scheme = "admin"

    @pytest.fixture
    async def desk(self, running: tuple[JiraSimulator, RunningServer]) -> AsyncIterator[SimulatorHarness]:
        simulator, server = running
        reset(simulator)
        plugin = make_plugin(simulator, server.url, **self.connection(simulator, server.url))
        words = Vocabulary(
            working_status="In progress", technician="ines@desk.test", group=self.group, missing_id="99999"
        )
        harness = SimulatorHarness(plugin, simulator, words, scheme=self.scheme)
        harness.signs_time = False  # the signature covers the body only; the body's own time is checked to 24 hours
        harness.signs_body = self.scheme == "admin"
        yield harness
        await plugin.aclose()

    def connection(self, simulator: JiraSimulator, url: str) -> dict[str, Any]:
        raise NotImplementedError


class TestServiceDeskNotes(_Base):
    """API token; notes through servicedeskapi as wiki text; signed admin webhooks."""

    def connection(self, simulator: JiraSimulator, url: str) -> dict[str, Any]:
        return {"jira_group_field": GROUP_FIELD}


class TestPlatformNotes(_Base):
    """OAuth client of a service account through the gateway; notes as ADF; Automation's web requests."""

    group = None
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
