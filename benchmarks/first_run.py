"""How long a person's first run takes: from `deskhand up` on an empty database to the first note on a ticket.

Run: ``.venv/bin/python -m benchmarks.first_run [--embedded]``. Needs Debian's Chromium; starts an installation and a
simulated ServiceDesk Plus of its own.

A scripted browser types and clicks what a person would, at once, so the figures are what the product takes and not what
reading takes. The model is scripted, too, unless ``--embedded`` asks for the embedded one. The aim is under three
minutes, with no step in the terminal after `deskhand up`.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import async_playwright
from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.first_run import first_run
from tests.support.product import running_desk

from deskhand.kit.http import HttpClientFactory
from deskhand.simulators.models import LlmSimulator

AIM = 180.0
LINK = re.compile(r"http\S+/set-password\?token=\S+")


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def up(directory: Path, gateway: str | None) -> AsyncIterator[Process]:
    """`deskhand up` on nothing; stopped afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATA_DIR": str(directory),
        "DESKHAND_PORT": str(free_port()),
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "true",  # the simulated desk is on this machine
        "NO_COLOR": "1",
        **({"DESKHAND_LLM_BASE_URL": gateway} if gateway else {}),
    }
    command = (sys.executable, "-m", "deskhand.cli", "up")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def printed_link(process: Process) -> str:
    """The first administrator's link, as soon as it is printed."""
    assert process.stdout is not None
    said = []
    async for line in process.stdout:
        said.append(line.decode())
        if found := LINK.search(said[-1]):
            return found[0]
    raise SystemExit("`deskhand up` ended without a link:\n" + "".join(said[-20:]))


async def drain(process: Process) -> None:
    """Read on what it says, so that it is never kept from saying more."""
    assert process.stdout is not None
    async for _ in process.stdout:
        pass


async def main(*, embedded: bool) -> None:
    latest = 0.0

    def tell(step: str) -> None:
        nonlocal latest
        now = time.perf_counter()
        print(f"  {now - latest:7.1f} s  {step}", flush=True)
        latest = now

    async with (
        running_desk("servicedesk_plus", HttpClientFactory(allow_private=True)) as desk,
        LlmSimulator() as model,
        async_playwright() as playwright,
    ):
        with tempfile.TemporaryDirectory() as directory:
            began = latest = time.perf_counter()
            async with up(Path(directory), None if embedded else model.base_url) as process:
                link = await printed_link(process)
                tell("`deskhand up` on an empty database, until it prints the link")
                reading = asyncio.create_task(drain(process))
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                page = await browser.new_page(viewport={"width": 1280, "height": 860})
                async for step in first_run(page, link, desk):
                    tell(step)
                await browser.close()
                reading.cancel()
    whole = latest - began
    print(f"  {whole:7.1f} s  in all ({'embedded' if embedded else 'scripted'} model); the aim is {AIM:.0f} s")
    if whole > AIM:
        raise SystemExit("Too slow.")


if __name__ == "__main__":
    asyncio.run(main(embedded="--embedded" in sys.argv))
