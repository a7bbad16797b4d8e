"""The README's own-desk section, walked as it stands: its commands, in its order, lead to a note."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
from tests.support.product import until

from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator
from deskhand.simulators.registry import make_simulator

ROOT = Path(__file__).resolve().parents[2]
KEY = "any-long-secret"
PATIENCE = 300


def blocks() -> list[str]:
    """The section's console blocks as shell scripts, prompts taken away."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Point it at your own desk and model")[1].split("\n## ")[0]
    found = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [re.sub(r"(?m)^(\$ |    )", "", block) for block in found]


def put(script: str, replacements: Mapping[str, str]) -> str:
    """A script with a reader's own values; each must be there to be replaced."""
    for stands, own in replacements.items():
        assert stands in script, stands
        script = script.replace(stands, own)
    return script


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """A reader's shell: no setting of ours, and a data directory that is their own."""
    directory = tempfile.mkdtemp()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    yield clean | {"DESKHAND_DATA_DIR": directory, "DESKHAND_PORT": str(free_port()), "NO_COLOR": "1"}
    shutil.rmtree(directory)


@contextlib.asynccontextmanager
async def up(script: str, environment: Mapping[str, str]) -> AsyncIterator[None]:
    log = Path(environment["DESKHAND_DATA_DIR"], "up.log")
    with log.open("wb") as file:
        process = subprocess.Popen(["bash", "-euc", script], cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:

        async def announced() -> bool:
            assert process.poll() is None, log.read_text()
            return "Deskhand is up: " in log.read_text()

        assert await until(announced, patience=PATIENCE)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 120)


async def test_the_own_desk_section_leads_to_a_note(environment: dict[str, str]) -> None:
    start, *steps = blocks()
    assert len(steps) == 4
    program = str(Path(sys.executable).parent / "deskhand")
    address = f"http://127.0.0.1:{environment['DESKHAND_PORT']}"
    simulator = make_simulator("servicedesk_plus", api_key=KEY)
    async with (
        LlmSimulator(api_key="sk-own") as gateway,
        run_in_process(simulator.build()) as desk,
    ):
        own = {".venv/bin/deskhand": program, "http://127.0.0.1:8000": address}
        first = put(start, {**own, "https://litellm.example.com/v1": gateway.base_url, "sk-...": "sk-own"})
        rest = put(
            "\n".join(steps),
            {
                **own,
                "https://desk.acme.example": desk.url,
                "the technician key of Deskhand's own account": KEY,
            },
        )
        async with up(first.replace(program, f"exec {program}"), environment):
            walked = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-euo", "pipefail", "-c", rest],
                cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            assert walked.returncode == 0, walked.stdout + walked.stderr
            assert f"{address}/agents/" in walked.stdout  # what to paste into the desk

            async def note() -> str | None:
                async with httpx2.AsyncClient() as client:
                    (ticket,) = (await client.get(f"{desk.url}/_sim/tickets")).json()
                    full = (await client.get(f"{desk.url}/_sim/tickets/{ticket['id']}")).json()
                return next((str(one["body"]) for one in full["notes"]), None)

            assert "INV-" in await until(note, patience=PATIENCE)
