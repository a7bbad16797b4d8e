"""ServiceDesk Plus passes the contract in both dialects and with both webhook schemes, over real sockets."""

from collections.abc import AsyncIterator

import pytest
from tests.plugins.sdp import RunningDesk, running_desk

from deskhand.plugins.servicedesk_plus.config import Dialect
from deskhand.simulators.testing import PluginContract, SimulatorHarness, Vocabulary

WORDS = Vocabulary(
    working_status="In Progress",
    technician="ines@desk.test",
    group="Network",
    missing_id="4711",
    custom=("udf_sline_1", "rack 7", "rack 8"),
    company="Nordwind",
    category="Printing",
)


@pytest.fixture(scope="module")
async def on_premises() -> AsyncIterator[RunningDesk]:
    async with running_desk(Dialect.ON_PREMISES) as running:
        yield running


@pytest.fixture(scope="module")
async def cloud() -> AsyncIterator[RunningDesk]:
    async with running_desk(Dialect.CLOUD) as running:
        yield running


class TestOnPremises(PluginContract):
    @pytest.fixture
    async def desk(self, on_premises: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        async with on_premises.fresh_plugin() as plugin:
            harness = SimulatorHarness(plugin, on_premises.simulator, WORDS)
            harness.tells_images = harness.checks_cursors = True
            yield harness


class TestCloud(PluginContract):
    @pytest.fixture
    async def desk(self, cloud: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        async with cloud.fresh_plugin() as plugin:
            harness = SimulatorHarness(plugin, cloud.simulator, WORDS, scheme="token")
            harness.signs_body = harness.signs_time = False
            harness.tells_images = harness.checks_cursors = True
            yield harness
