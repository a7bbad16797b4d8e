"""``deskhand up``: API, worker and the embedded model in one process group, each a process of its own.

A part that dies is started again, with a growing pause; so is one that lives and answers nobody any more. Stopping asks
each to finish and waits.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.installation import Installation
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.kept import Address, KeptProcess, Patience, Start
from deskhand.kit.parent import CHILD_VARIABLES
from deskhand.llm.embedded.server import EmbeddedModelServer, options_for

GIVE_UP = 3
READY_PATH, READY = "/readyz", {"status": "ready"}


@asynccontextmanager
async def running(parts: Sequence[KeptProcess]) -> AsyncIterator[None]:
    """Keep the parts running inside the block; stop them, last first, when it ends."""
    try:
        for part in parts:
            part.start()
        yield
    finally:
        for part in parts:
            # All first: a part that ends because another one is gone must not be started again meanwhile.
            part.let_go()
        for part in reversed(parts):
            await asyncio.to_thread(part.stop)


def part(
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    log_file: Path | None = None,
    health: Callable[[], tuple[Mapping[str, str], Address | None]] = lambda: ({}, None),
    patience: Patience | None = None,
) -> KeptProcess:
    """One of our own programs, kept running.

    Args:
        name: What people call it.
        arguments: Of ``python -m deskhand.cli``.
        environment: Its environment.
        log_file: Where its output goes; None shows it.
        health: Asked at each start: further variables, and where the program will answer.
        patience: When it counts as gone although it lives.
    """

    def prepare() -> Start:
        variables, address = health()
        return Start(
            # -P: in the folder that somebody starts us in, a file may have the name of a library's module.
            command=[sys.executable, "-P", "-m", "deskhand.cli", *arguments],
            environment={**environment, **variables, **CHILD_VARIABLES},
            health=address,
        )

    return KeptProcess(name, prepare, log_file=log_file, patience=patience)


@contextmanager
def sole_supervisor(data_dir: Path) -> Iterator[None]:
    """Be the only one that supervises this data directory, inside the block.

    Args:
        data_dir: The installation's directory; created if missing.

    Raises:
        ConfigurationError: Another process does; nothing of it was touched.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    # Append mode, because the file must not be emptied before the lock is ours: it names the process that has it.
    with (data_dir / "supervisor.lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigurationError(
                f"Another Deskhand (process {file.read().strip() or 'unknown'}) runs on the data directory {data_dir}."
                " Stop it, or give this one a directory of its own with DESKHAND_DATA_DIR."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def refuse_taken_port(host: str, port: int) -> None:
    """Find out before anything is started whether the API could listen.

    Raises:
        ConfigurationError: It could not; says why and which setting changes it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # Bound and listening: with SO_REUSEADDR two sockets may bind the same port as long as neither listens.
            probe.listen()
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is in use by another program" if taken else f"cannot be used: {error.strerror or error}"
            raise ConfigurationError(
                f"Port {port} on {host} {why}. Stop what listens there, or set DESKHAND_PORT (and DESKHAND_HOST)."
            ) from error


async def wait_until_ready(url: str, parts: Sequence[KeptProcess], *, limit: float = 180.0) -> None:
    """Wait until an address answers 200; one that ends in ``/readyz``, until it says in our words that it is ready.

    Args:
        url: Address on this machine.
        parts: What has to run for it; one that keeps dying ends the wait.
        limit: Seconds.

    Raises:
        UnavailableError: It did not answer; names the log to look at.
    """
    try:
        async with asyncio.timeout(limit), HttpClientFactory(allow_private=True).client() as client:
            while not await _answers(client, url):
                _give_up_on(next((part for part in parts if part.restarts >= GIVE_UP), None))
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        logs = ", ".join(str(part.log_file) for part in parts if part.log_file) or "above"
        raise UnavailableError(f"Nothing answers at {url} after {limit:.0f} s. Logs: {logs}") from error


def _give_up_on(part: KeptProcess | None) -> None:
    if part is not None:
        raise UnavailableError(f"'{part.name}' ends again and again. Its log: {part.log_file or 'above'}")


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        answer = await client.get(url)
        # The port was free when we looked, and ours listens seconds later: what took it meanwhile may say 200 to all.
        return answer.is_success and (not url.endswith(READY_PATH) or answer.json() == READY)
    except (httpx2.TransportError, ValueError):
        return False


@contextmanager
def model_server(installation: Installation, *, models_dir: Path | None = None) -> Iterator[EmbeddedModelServer | None]:
    """The embedded model beside a stack that has no gateway; None where a gateway is configured.

    Args:
        installation: Whose settings say which model.
        models_dir: Where model files are, if not in the installation's own directory.

    Raises:
        ConfigurationError: No gateway is configured and no model is here; says how to get one.
    """
    settings = installation.settings
    if settings.llm_base_url is not None:
        yield None
        return
    options = options_for(
        settings.embedded_model,
        models_dir=models_dir or installation.models_dir,
        state_file=installation.model_state_file,
        model_path=settings.model_path,
    )
    server = EmbeddedModelServer(options, log_file=installation.settings.data_dir / "embedded-model.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def stack_parts(
    installation: Installation,
    *,
    log_dir: Path | None = None,
    extra: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> list[KeptProcess]:
    """API and worker of an installation.

    Args:
        installation: The installation they belong to.
        log_dir: Where each writes its log; None shows it.
        extra: More variables for their environment.
        patience: When one counts as gone although it lives.
    """
    settings = installation.settings
    host = (extra or {}).get("DESKHAND_HOST", settings.host)

    def worker_health() -> tuple[Mapping[str, str], Address]:
        # A port chosen at each start: the supervisor has to know where to ask, and the last one may be taken by now.
        port = settings.worker_metrics_port or _free_port(host)
        return {"DESKHAND_WORKER_METRICS_PORT": str(port)}, (host, port)

    health: dict[str, Callable[[], tuple[Mapping[str, str], Address]]] = {
        "serve": lambda: ({}, (host, settings.port)),
        "worker": worker_health,
    }
    return [
        part(
            name,
            [name],
            # Workers get no platform login: they run what strangers' tickets lead to, and have no business across
            # tenants.
            {**installation.environment(platform=name == "serve"), **(extra or {})},
            log_file=log_dir / f"{name}.log" if log_dir else None,
            health=address,
            patience=patience,
        )
        for name, address in health.items()
    ]


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
