"""``deskhand up``: says what it is, leaves nothing behind however it ends, and never disturbs another one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import psutil
import pytest
from tests.support.product import until

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.supervisor import GIVE_UP, refuse_taken_port, wait_until_ready


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    yield directory
    shutil.rmtree(directory)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(data_dir: Path, port: int) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATA_DIR": str(data_dir),
        "DESKHAND_PORT": str(port),
        "DESKHAND_LLM_BASE_URL": "http://127.0.0.1:9/v1",  # named, so that no model is needed; never called here
        "NO_COLOR": "1",
    }
    return {"args": [sys.executable, "-m", "deskhand.cli", "up"], "env": environment, "cwd": data_dir}


@asynccontextmanager
async def started(data_dir: Path, port: int) -> AsyncIterator[psutil.Popen]:
    # A suite that was started with nohup ignores this signal, and a child would inherit that and rightly stay.
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with (data_dir / "up.log").open("wb") as log:
            process = psutil.Popen(**command(data_dir, port), stdout=log, stderr=log)
    finally:
        signal.signal(signal.SIGHUP, inherited)
    try:
        yield process
    finally:
        for one in [*process.children(recursive=True), process] if process.is_running() else []:
            one.kill()
        process.wait()
        if (data_dir / "postgres").exists():
            EmbeddedPostgres(data_dir / "postgres").stop()


def run_another(data_dir: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(data_dir, port), capture_output=True, text=True, timeout=200, check=False)  # type: ignore[call-overload,no-any-return]


async def ready(port: int) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
        except httpx2.TransportError:
            return False


def postmaster(data_dir: Path) -> psutil.Process:
    server = EmbeddedPostgres(data_dir / "postgres")
    assert server.running
    return psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))


async def ended(*processes: psutil.Process) -> None:
    async def over() -> bool:
        return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    assert await until(over, patience=120), processes


async def has_database(data_dir: Path, _up: psutil.Popen) -> bool:
    return (data_dir / "postgres").exists() and EmbeddedPostgres(data_dir / "postgres").running


def is_part(process: psutil.Process) -> bool:
    try:
        return "deskhand.cli" in " ".join(process.cmdline())
    except psutil.Error:  # a program of PostgreSQL that has just ended
        return False


async def has_parts(_data_dir: Path, up: psutil.Popen) -> bool:
    return sum(is_part(one) for one in up.children()) == 2


async def test_killed_at_any_time_it_leaves_nothing_and_the_next_one_works_and_a_second_is_refused(
    data_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    for begun in (has_database, has_parts):
        async with started(data_dir, port) as up:
            assert await until(lambda: begun(data_dir, up), patience=200)  # noqa: B023 - awaited in this round
            left = [*up.children(recursive=True), postmaster(data_dir)]
            up.kill()
            up.wait()
            await ended(*left)
    async with started(data_dir, port) as up:
        assert await until(lambda: ready(port), patience=200)
        database = postmaster(data_dir)

        same_place = await asyncio.to_thread(run_another, data_dir, free_port())
        assert same_place.returncode == 1
        assert f"process {up.pid}) runs on the data directory" in same_place.stderr
        same_port = await asyncio.to_thread(run_another, tmp_path, port)
        assert same_port.returncode == 1
        assert f"Port {port} on 127.0.0.1 is in use" in same_port.stderr
        assert list(tmp_path.iterdir()) == []
        assert await ready(port)
        assert postmaster(data_dir) == database
        async with httpx2.AsyncClient() as client:  # what serves the API is nobody's business who asks it
            assert "server" not in (await client.get(f"http://127.0.0.1:{port}/healthz")).headers

        left = [*up.children(recursive=True), database]
        assert len(left) >= 3  # API, worker, PostgreSQL
        up.kill()
        up.wait()
        await ended(*left)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
async def test_a_stop_before_it_is_ready_leaves_nothing(data_dir: Path, stop: signal.Signals) -> None:
    port = free_port()
    async with started(data_dir, port) as up:
        assert await until(lambda: has_parts(data_dir, up), patience=200)
        left = [*up.children(recursive=True), postmaster(data_dir)]
        up.send_signal(stop)
        await ended(*left)
        assert await asyncio.to_thread(up.wait, 60) == 1
    assert "Stopped before it was ready." in (data_dir / "up.log").read_text()


@pytest.mark.parametrize("body", [b"welcome", b"{}", b'{"status": "ok"}'])
async def test_another_product_that_took_the_port_meanwhile_is_not_taken_for_ours(body: bytes) -> None:
    """It answers 200 to everything, and our API ends again and again because it cannot listen."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    ours: Any = SimpleNamespace(name="serve", restarts=GIVE_UP, log_file=None)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnavailableError, match="'serve' ends again and again"):
            await wait_until_ready(f"http://127.0.0.1:{port}/readyz", [ours])
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1 is in use"):
            refuse_taken_port("127.0.0.1", port)
