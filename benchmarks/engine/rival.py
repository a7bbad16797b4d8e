"""The home-grown stack: its environment, database, Redis, uvicorn and Celery worker."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from benchmarks.engine.load import Target
from benchmarks.engine.processes import ROOT, Api, free_port, process, wait_for, wait_for_line

from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.embedded import DATABASE, EmbeddedPostgres

NAME = "rival"
LOCK = ROOT / "requirements-benchmarks.lock"
SOURCE = ROOT / "benchmarks" / "rival_stack"
EMPTY = "TRUNCATE jobs, deliveries"


def ensure_environment() -> Path:
    """Install the locked packages into an environment of their own, once; its folder."""
    venv, stamp = ROOT / ".cache" / "rival-stack", hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    marker = venv / "stamp"
    if marker.is_file() and marker.read_text() == stamp:
        return venv
    print("installing the home-grown stack's packages (once) ...", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    python = venv / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", LOCK], check=True)
    marker.write_text(stamp)
    return venv


@dataclass(frozen=True, slots=True)
class Rival:
    """The stack, installed; its database and Redis are there.

    Attributes:
        redis_pid: The Redis server.
    """

    venv: Path
    directory: Path
    database: str
    superuser: str
    redis_url: str
    redis_pid: int

    def environment(self, wait: float = 0.05, **more: str) -> dict[str, str]:
        """Variables of its processes."""
        return {
            **more,
            "PYTHONPATH": str(SOURCE.parent),
            "RIVAL_DATABASE_URL": self.database,
            "RIVAL_SQLALCHEMY_URL": self.database.replace("postgresql://", "postgresql+asyncpg://"),
            "RIVAL_REDIS_URL": self.redis_url,
            "RIVAL_WAIT": str(wait),
        }

    async def add_agents(self, targets: Sequence[Target]) -> None:
        """Let it know agents by the same ids and secrets."""
        connection = await asyncpg.connect(self.superuser)
        rows = [(one.agent_id, one.tenant_id, one.secret) for one in targets]
        await connection.executemany("INSERT INTO agents (id, tenant_id, secret) VALUES ($1, $2, $3)", rows)
        await connection.close()


@contextmanager
def redis(directory: Path) -> Iterator[tuple[str, int]]:
    """Debian's Redis on a free port, appending to its log every second; address and pid."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is missing; run: tools/ci-setup.sh benchmarks")
    port, home, log = free_port(), directory / "redis", directory / "redis.log"
    home.mkdir()
    options = ["--port", port, "--bind", "127.0.0.1", "--dir", home, "--appendonly", "yes"]
    options += ["--appendfsync", "everysec", "--save", ""]
    with process([program, *map(str, options)], log=log) as child:
        wait_for_line(log, b"Ready to accept", child)
        yield f"redis://127.0.0.1:{port}/0", child.pid


@contextmanager
def installed(server: EmbeddedPostgres, directory: Path) -> Iterator[Rival]:
    """Everything but its processes."""
    venv = ensure_environment()
    server.create_database(NAME)
    schema = (SOURCE / "schema.sql").read_text()
    superuser = server.superuser_url.removesuffix(DATABASE) + NAME

    async def make_tables() -> None:
        connection = await asyncpg.connect(superuser)
        await connection.execute(schema)
        await connection.close()

    run_blocking(make_tables)
    with redis(directory) as (redis_url, redis_pid):
        database = server.app_url.removesuffix(DATABASE) + NAME
        yield Rival(venv, directory, database, superuser, redis_url, redis_pid)


@contextmanager
def serving(rival: Rival, *, processes: int = 1) -> Iterator[Api]:
    """uvicorn with uvloop and httptools, no access log."""
    port, log = free_port(), rival.directory / "rival-api.log"
    command: list[str | Path] = [
        rival.venv / "bin" / "uvicorn",
        "rival_stack.app:app",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools", "--workers", str(processes)]
    with process(command, log=log, environment=rival.environment()) as child:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz", child, log)
        yield Api(url, child.pid)


@dataclass
class CeleryWorker:
    """A Celery worker that is up and listens to an empty queue."""

    rival: Rival
    pid: int

    def go(self) -> None:
        """Begin to take jobs."""
        self.celery("control", "add_consumer", "jobs")

    def celery(self, *arguments: str) -> None:
        """A command of Celery's."""
        command: list[str | Path] = [self.rival.venv / "bin" / "celery", "-A", "rival_stack.tasks", *arguments]
        environment = {**os.environ, **self.rival.environment()}
        subprocess.run(command, env=environment, check=True, capture_output=True)


@contextmanager
def working(rival: Rival, *, wait: float, concurrency: int, **more: str) -> Iterator[CeleryWorker]:
    """A Celery worker with a pool of threads, ready, taking nothing yet.

    Args:
        rival: The stack.
        wait: Seconds each job waits.
        concurrency: Threads.
        **more: Variables, such as the desk and the model that a job then works with instead of waiting.
    """
    log = rival.directory / "celery.log"
    before = log.stat().st_size if log.exists() else 0
    command: list[str | Path] = [rival.venv / "bin" / "celery", "-A", "rival_stack.tasks", "worker", "-P", "threads"]
    command += ["-c", str(concurrency), "-Q", "idle", "-l", "INFO", "--without-gossip", "--without-mingle"]
    with process(command, log=log, environment=rival.environment(wait, **more)) as child:
        wait_for_line(log, b" ready.", child, after=before)
        yield CeleryWorker(rival, child.pid)
