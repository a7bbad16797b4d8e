"""The plugin from outside passes the contract against Roundup's own server."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.plugins.roundup_desk import RoundupHarness, RunningTracker, running_tracker
from tests.plugins.roundup_server import installed_plugin

from deskhand.simulators.testing import PluginContract


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with installed_plugin():
        yield


@pytest.fixture(scope="module")
async def tracker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningTracker]:
    async with running_tracker(tmp_path_factory.mktemp("roundup") / "tracker") as running:
        yield running


class TestRoundup(PluginContract):
    @pytest.fixture
    async def desk(self, tracker: RunningTracker) -> AsyncIterator[RoundupHarness]:
        plugin = tracker.plugin()
        tracker.empty()
        yield RoundupHarness(tracker, plugin)
        tracker.proxy.faults.clear()
        await plugin.aclose()
