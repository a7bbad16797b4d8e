"""ServiceNow passes the contract with both ways to sign in and both note formats, over real sockets."""

from collections.abc import AsyncIterator

import pytest
from tests.plugins.servicenow import RunningDesk, new_simulator

from deskhand.simulators.base import run_in_process
from deskhand.simulators.testing import PluginContract, SimulatorHarness, Vocabulary

WORDS = Vocabulary(
    working_status="In Progress",
    technician="ines@desk.test",
    group="Network",
    missing_id="0123456789abcdef" * 2,
    custom=("Business impact", "the shop floor", "one desk"),
    company="Nordwind",
    category="Network",
)


class ServiceNowHarness(SimulatorHarness):
    tells_images = checks_cursors = True


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator()
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


class TestBasicAndText(PluginContract):
    @pytest.fixture
    async def desk(self, running: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        async with running.fresh_plugin() as plugin:
            harness = ServiceNowHarness(plugin, running.simulator, WORDS)
            harness.rich_text = False
            yield harness


class TestOAuthAndHtml(PluginContract):
    @pytest.fixture
    async def desk(self, running: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        options = {"servicenow_auth": "oauth", "servicenow_note_format": "html"}
        async with running.fresh_plugin(**options) as plugin:
            yield ServiceNowHarness(plugin, running.simulator, WORDS)
