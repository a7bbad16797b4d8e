"""The worker process: what it needs is put together here, then the loop runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from decimal import Decimal

import asyncpg
import structlog

from deskhand.engine.figures import FiguresPage, listen
from deskhand.engine.limits import RunLimits
from deskhand.engine.queue import POLL, Transport, Waker
from deskhand.engine.retention import Housekeeper
from deskhand.engine.runner import Runner
from deskhand.errors import ConfigurationError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.connections import is_proxied
from deskhand.kit.db.readiness import verify_application_role, verify_proofs
from deskhand.kit.db.session import Database, create_pool
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.telemetry import Telemetry
from deskhand.kit.watchdog import watching_loop
from deskhand.knowledge.embedding import load_embedder
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper, Reach
from deskhand.lab.keeper import LabKeeper
from deskhand.llm.connection import GatewaySettings, open_client
from deskhand.llm.embedded.line import ServerLine
from deskhand.llm.embedded.server import read_endpoint
from deskhand.plugins.registry import PluginManager
from deskhand.schedules.scheduler import Scheduler
from deskhand.settings import Settings
from deskhand.work.executor import Executor
from deskhand.work.notices.sending import Notifier
from deskhand.work.notices.telling import Teller

log = structlog.get_logger(__name__)


async def run_worker(installation: Installation, *, stale_after: float = 5.0) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        installation: Database, keys, models.
        stale_after: Seconds without a heartbeat after which other workers may take a run over.
    """
    settings = installation.settings
    async with AsyncExitStack() as stack:
        secrets = SecretBox(installation.encryption_keys, reread=installation.reread_keys)
        db = await _database(installation, secrets, stack)
        pool = await _pool(installation, stack)
        # What the lab begins need not wait for a poll.
        db.on_handover = (await stack.enter_async_context(Waker(pool))).wake
        http = HttpClientFactory(allow_private=settings.allow_private_addresses, commands=settings.mcp_commands)
        # Desks from outside packages are loaded before any work: one that breaks the contract must stop the start.
        plugins = PluginManager()
        plugins.discover()
        gateway = await _gateway(installation, http, stack)
        telemetry = Telemetry()
        executor = Executor(
            db=db,
            pool=pool,
            secrets=secrets,
            http=http,
            plugins=plugins,
            gateway=gateway,
            embedder=load_embedder(),
            limits=_limits(settings),
            telemetry=telemetry,
            public_url=installation.public_url,
        )
        runner = Runner(
            pool,
            executor.execute,
            concurrency=settings.worker_concurrency,
            stale_after=stale_after,
            telemetry=telemetry,
            transport=await _transport(installation, pool, stack),
        )
        # The page asks the heartbeat whether the worker is healthy, because a worker without it loses every run it
        # takes.
        page = FiguresPage(telemetry, pool, healthy=lambda: runner.alive)
        address = stack.enter_context(closing(listen(settings.host, settings.worker_metrics_port)))
        scheduler, housekeeper = Scheduler(pool), Housekeeper(pool, installation.retention)
        tellers = _tellers(pool, db, secrets, http, installation.public_url)
        keeper = KnowledgeKeeper(pool, Reach(db, secrets, http, plugins, load_embedder()))
        stack.enter_context(watching_loop(telemetry.loop_stall))  # from here on: what was loaded takes long
        helpers = (scheduler, housekeeper, *tellers, keeper, LabKeeper(pool, db))
        _on_signal(*(helper.request_stop for helper in helpers), runner.request_stop)
        async with asyncio.TaskGroup() as group:
            for helper in helpers:
                group.create_task(helper.run(), name=type(helper).__name__.lower())
            group.create_task(page.serve(address), name="figures")
            await runner.run()
            # Last, so that Prometheus can still read what the drain did.
            page.request_stop()


def _limits(settings: Settings) -> RunLimits:
    return RunLimits(
        timeout=settings.run_timeout,
        max_steps=settings.run_max_steps,
        max_tokens=settings.run_max_tokens,
        max_cost_usd=Decimal(str(settings.run_max_cost_usd)),
    )


def _tellers(
    pool: asyncpg.Pool[asyncpg.Record], db: Database, secrets: SecretBox, http: HttpClientFactory, public_url: str
) -> tuple[Notifier, Teller]:
    """Who tells people of calls that wait, and of everything else."""
    return (
        Notifier(pool, db, secrets, http, public_url=public_url),
        Teller(pool, db, secrets, http, public_url=public_url, poll=2.0),
    )


async def _gateway(installation: Installation, http: HttpClientFactory, stack: AsyncExitStack) -> GatewaySettings:
    settings = installation.settings
    gateway = GatewaySettings(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        timeout=settings.llm_timeout,
        is_local=settings.llm_is_local,
        embedded=lambda: read_endpoint(installation.model_state_file),
        embedded_slot=ServerLine(installation.model_state_file.with_suffix(".line"), call_seconds=settings.llm_timeout),
    )
    return replace(gateway, client=await stack.enter_async_context(open_client(gateway, http)))


async def _database(installation: Installation, secrets: SecretBox, stack: AsyncExitStack) -> Database:
    # A ring in the environment cannot change while the process lives; `keys rotate` has to see that such a process
    # runs.
    fixed_ring = "" if installation.reread_keys else secrets.ring_id
    db = await Database.reach(installation.database_url, prover=installation.prover, ring_id=fixed_ring)
    stack.push_async_callback(db.dispose)
    await verify_application_role(db)
    await verify_proofs(db)
    return db


async def _pool(installation: Installation, stack: AsyncExitStack) -> asyncpg.Pool[asyncpg.Record]:
    pool = await create_pool(
        installation.database_url, min_size=4, max_size=12, process="worker", prover=installation.prover
    )
    stack.push_async_callback(pool.close)
    return pool


async def _transport(
    installation: Installation, pool: asyncpg.Pool[asyncpg.Record], stack: AsyncExitStack
) -> Transport:
    """How this worker hears of new work.

    Raises:
        ConfigurationError: The address that is to lead past the proxy leads to one.
    """
    if not await is_proxied(installation.database_url):
        return Transport(pool)
    direct_url = installation.settings.database_direct_url
    if direct_url is None:
        log.info("queue_polled", seconds=POLL.total_seconds(), reason="DESKHAND_DATABASE_DIRECT_URL is not set")
        return Transport(pool, proxied=True)
    if await is_proxied(direct_url.get_secret_value()):
        raise ConfigurationError(
            "DESKHAND_DATABASE_DIRECT_URL leads to a proxy too; set it to PostgreSQL's own address, or unset it."
        )
    # Opened when PgQueuer listens: an idle worker needs one connection past the proxy, and none before.
    direct = await create_pool(direct_url.get_secret_value(), min_size=0, max_size=2)
    stack.push_async_callback(direct.close)
    return Transport(pool, proxied=True, direct=direct)


def _on_signal(*stops: Callable[[], None]) -> None:
    def stop() -> None:
        for one in stops:
            one()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
