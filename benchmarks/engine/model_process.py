"""The simulated model gateway in a process of its own: a fixed wait, then an answer that fits the asked schema.

``python -m benchmarks.engine.model_process PORT SECONDS``
"""

from __future__ import annotations

import asyncio
import sys

from deskhand.simulators.models import LlmSimulator


async def main(port: int, latency: float) -> None:
    """Serve until the process is ended."""
    async with LlmSimulator(port=port, latency=latency):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
