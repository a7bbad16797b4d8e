"""Every metric that is registered moves when the product works, read as a scraper reads it from real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.flows.test_first_light import the_execution, with_history
from tests.support.logins import TENANT_KEY
from tests.support.product import Product, until

from deskhand.access.models import User
from deskhand.kit.telemetry import Telemetry
from deskhand.simulators.models import Reply, obliging

Figures = dict[str, float]
DOWN = Reply(status=503, error={"message": "overloaded"})


def registered() -> set[str]:
    """Names of the metric families, from the code."""
    return {family.name for family in Telemetry(CollectorRegistry()).registry.collect()}


async def scrape(url: str) -> Figures:
    """The greatest figure of each family: a count, a sum or a gauge that is not 0 has moved."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 200
    figures: Figures = {}
    for family in text_string_to_metric_families(answer.text):
        samples = [one.value for one in family.samples if not one.name.endswith("_created")]
        figures[family.name] = max(samples, default=0.0)
    return figures


@contextlib.asynccontextmanager
async def worker_process(product: Product, directory: Path) -> AsyncIterator[str]:
    """``deskhand worker`` as an operator starts it; the address of its own page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATABASE_URL": product.app_url,
        "DESKHAND_TENANT_KEY": TENANT_KEY,
        "DESKHAND_ENCRYPTION_KEYS": ",".join(product.keys),
        "DESKHAND_DATA_DIR": str(directory),
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "true",
        "DESKHAND_LLM_BASE_URL": product.model_url,
        "DESKHAND_LLM_API_KEY": "sk-test",
        "DESKHAND_WORKER_METRICS_PORT": str(port),
    }
    with (directory / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deskhand.cli", "worker"], env=environment, cwd=directory, stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (directory / "worker.log").read_text()[-3000:]
    finally:
        process.kill()
        process.wait()


async def test_every_figure_moves(product: Product, tmp_path: Path) -> None:
    chain = {"model": "gpt-4", "fallbacks": [{"model": "gpt-4o-mini"}]}
    customer = await product.customer(llm_config=chain)
    await with_history(product, customer)
    await product.point_desk_at(customer)
    # The first model is down; the next is priced, so that money is counted, and slow enough to be seen at work.
    product.model.script = lambda body: DOWN if body["model"] == "gpt-4" else priced(obliging(body))
    ticket_id = await product.desk.file_ticket()

    async def api_counts_the_queue() -> Figures | None:
        figures = await scrape(product.api.url)
        counted = figures["deskhand_queue_depth"] == 1 and figures["deskhand_event_loop_stall_seconds"]
        return figures if counted else None

    hold_the_loop_up()
    await try_to_break_the_glass(product)
    moved: set[str] = {name for name, value in (await until(api_counts_the_queue)).items() if value}
    async with worker_process(product, tmp_path) as url:

        async def seen_running() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return (await scrape(url))["deskhand_executions_running"] == 1
            return False

        assert await until(seen_running, patience=120)
        moved.add("deskhand_executions_running")
        assert (await the_execution(product, customer))["status"] == "completed"

        async def counted() -> Figures | None:
            figures = await scrape(url)
            return figures if figures["deskhand_executions"] else None

        moved |= {name for name, value in (await until(counted)).items() if value}
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"{url}/healthz")).json() == {"status": "ok"}
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    async with httpx2.AsyncClient() as client:
        page = (await client.get(f"{product.api.url}/metrics")).text
    assert 'deskhand_webhook_deliveries_total{outcome="accepted",tool_type="servicedesk_plus"} 1.0' in page
    assert registered() <= moved, registered() - moved


async def try_to_break_the_glass(product: Product) -> None:
    """Somebody tries the account for the worst day with a wrong password, which the API counts."""
    async with product.db.platform_session() as session:
        session.add(User(email="glass@example.com", is_platform_admin=True, is_break_glass=True))
    async with httpx2.AsyncClient() as client:
        answer = await client.post(
            f"{product.api.url}/login", data={"email": "glass@example.com", "password": "not the one it has"}
        )
    assert answer.status_code == 401, answer.text


def hold_the_loop_up() -> None:
    """Let the API stand still, as bad code would: it runs on this test's own loop."""
    time.sleep(1)


def priced(reply: Reply) -> Reply:
    return replace(reply, delay=1.0, headers={"x-litellm-response-cost": "0.002"})
