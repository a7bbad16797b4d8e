"""The contract suite: what every desk plugin must do, run unchanged against real sockets.

A desk's test module says what it tests and gets every test:

.. code-block:: python

    class TestMyDesk(PluginContract):
        @pytest.fixture
        async def desk(self): ...   # yields a DeskHarness with an empty desk behind it

For a desk with a simulator, ``SimulatorHarness`` is that fixture's value; for a real server, subclass
``DeskHarness`` and put ``simulation.FaultyProxy`` in front. Async tests need pytest-asyncio in auto mode,
and ``pytest.register_assert_rewrite("deskhand.simulators.testing")`` in conftest makes failures readable.
This module needs no test framework itself, so outside plugins can use it from the installed package.
"""

from deskhand.simulators.testing.contract import PluginContract
from deskhand.simulators.testing.harness import READ_TIMEOUT, TEST_HTTP, DeskHarness, SimulatorHarness, Vocabulary

__all__ = ["READ_TIMEOUT", "TEST_HTTP", "DeskHarness", "PluginContract", "SimulatorHarness", "Vocabulary"]
