"""Schedules over HTTP, and one that ends as a finished execution."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.product import Customer, Product, until
from tests.support.schedules import ScheduleBook

from deskhand.schedules.scheduler import Scheduler

TRIGGERS = [
    {"trigger_type": "webhook"},
    {"trigger_type": "schedule", "schedule_cron": "30 8 * * 1-5", "schedule_timezone": "Europe/Berlin"},
]


async def with_schedule(product: Product, **fields: Any) -> tuple[Customer, str, str]:
    """A customer whose agent has a webhook and a schedule; the schedule's address and the webhook's."""
    customer = await product.customer(triggers=TRIGGERS, **fields)
    agent = (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()
    by_type = {trigger["trigger_type"]: trigger["id"] for trigger in agent["triggers"]}
    prefix = f"/api/v1/agents/{customer.agent_id}/triggers"
    return customer, f"{prefix}/{by_type['schedule']}", f"{prefix}/{by_type['webhook']}"


async def operations(product: Product) -> list[str]:
    async with product.platform_pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE deskhand_platform")
        rows = await connection.fetch(
            "SELECT operation FROM audit_log WHERE operation LIKE 'schedule.%' ORDER BY sequence"
        )
    return [row["operation"] for row in rows]


async def test_the_next_five_times_in_both_clocks(product: Product) -> None:
    customer, url, _ = await with_schedule(product)
    shown = (await customer.client.get(f"{url}/next")).json()
    assert shown["description"] == "At 08:30 on Monday through Friday"
    assert (shown["is_paused"], shown["not_firing"]) == (False, None)
    assert len(shown["upcoming"]) == 5
    assert datetime.fromisoformat(shown["next_fire_at"]) == datetime.fromisoformat(shown["upcoming"][0]["utc"])
    for instant in shown["upcoming"]:
        utc, local = datetime.fromisoformat(instant["utc"]), datetime.fromisoformat(instant["local"])
        assert utc == local
        assert local.utcoffset() == local.astimezone(ZoneInfo("Europe/Berlin")).utcoffset()
        assert (f"{local:%H:%M}", local.weekday() < 5) == ("08:30", True)
        assert instant["abbreviation"] in ("CET", "CEST")


async def test_pause_and_resume_are_shown_audited_and_take_effect(product: Product, book: ScheduleBook) -> None:
    customer, url, _ = await with_schedule(product)
    agent_url = f"/api/v1/agents/{customer.agent_id}"
    before = (await customer.client.get(agent_url)).headers["etag"]
    paused = (await customer.client.post(f"{url}/pause")).json()
    assert (paused["is_paused"], paused["next_fire_at"], paused["not_firing"]) == (
        True,
        None,
        "The schedule is paused.",
    )
    assert (await customer.client.post(f"{url}/pause")).status_code == 200
    assert (await customer.client.get(agent_url)).headers["etag"] != before
    assert await book.connection.fetchval("SELECT count(*) FROM agent_triggers WHERE next_fire_at IS NOT NULL") == 0

    suspended = await customer.client.post(f"{agent_url}/suspend")
    resumed = await customer.client.post(f"{agent_url}/resume")
    assert (suspended.status_code, resumed.status_code) == (200, 200)
    assert (await customer.client.get(f"{url}/next")).json()["is_paused"] is True  # the agent's pause is another one

    running = (await customer.client.post(f"{url}/resume")).json()
    assert running["is_paused"] is False
    assert running["next_fire_at"] == running["upcoming"][0]["utc"]
    assert await operations(product) == ["schedule.pause", "schedule.resume"]


async def test_a_resumed_schedule_of_an_agent_that_is_not_active_says_why_it_does_not_fire(product: Product) -> None:
    customer, url, _ = await with_schedule(product)
    await customer.client.post(f"{url}/pause")
    await customer.client.post(f"/api/v1/agents/{customer.agent_id}/suspend")
    resumed = (await customer.client.post(f"{url}/resume")).json()
    assert (resumed["next_fire_at"], resumed["not_firing"]) == (None, "The agent is 'suspended', not 'active'.")
    refused = await customer.client.post(f"{url}/run")
    assert refused.status_code == 409
    assert "suspended" in refused.json()["detail"]


async def test_who_may_do_what(product: Product) -> None:
    customer, url, webhook = await with_schedule(product)
    made = await customer.client.post("/api/v1/tenants/acme/api-keys", json={"name": "v", "role": "viewer"})
    viewer = await product.client(made.json()["api_key"])
    stranger = await product.customer("globex")
    assert (await viewer.get(f"{url}/next")).status_code == 200
    for step in ("run", "pause", "resume"):
        assert (await viewer.post(f"{url}/{step}")).status_code == 403
        assert (await stranger.client.post(f"{url}/{step}")).status_code == 404
        assert (await customer.client.post(f"{webhook}/{step}")).status_code == 409
    assert (await stranger.client.get(f"{url}/fires")).status_code == 404
    assert await operations(product) == []


async def test_a_preview_shows_what_an_expression_means(product: Product) -> None:
    customer = await product.customer()
    body = {"schedule_cron": "30 2 * * *", "schedule_timezone": "America/New_York"}
    shown = (await customer.client.post("/api/v1/schedules/preview", json=body)).json()
    assert shown["description"] == "At 02:30 every day"
    assert len({instant["local"] for instant in shown["upcoming"]}) == 5


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"schedule_cron": "61 * * * *"}, "/schedule_cron"),
        ({"schedule_cron": "* * * * * *"}, "/schedule_cron"),
        ({"schedule_cron": "0 0 30 2 *"}, "/schedule_cron"),
        ({"schedule_cron": "0 9 * * *", "schedule_timezone": "Mars/Olympus"}, "/schedule_timezone"),
    ],
)
async def test_a_preview_names_what_is_wrong(product: Product, body: dict[str, str], pointer: str) -> None:
    customer = await product.customer()
    answer = await customer.client.post("/api/v1/schedules/preview", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_run_now_ends_as_a_completed_execution(product: Product) -> None:
    customer, url, _ = await with_schedule(product)
    await product.start_worker()
    await customer.client.post(f"{url}/pause")  # which does not keep a person from starting it
    answer = await customer.client.post(f"{url}/run")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/executions/{answer.json()['execution_id']}"
    execution = await product.ended(customer, answer.json()["execution_id"])
    assert execution["status"] == "completed", execution
    assert execution["output_result"]["report"]
    assert execution["input_payload"]["schedule"]["requested_by"].startswith("api-key:")
    assert await operations(product) == ["schedule.pause", "schedule.run"]
    assert (await customer.client.get(f"{url}/fires")).json()["items"] == []


async def test_a_tick_of_the_clock_ends_as_a_completed_execution(product: Product, book: ScheduleBook) -> None:
    customer, url, _ = await with_schedule(product)
    # Nobody can wait for half past eight: the schedule's last instant is made the one to deal with.
    shown = (await customer.client.get(f"{url}/next")).json()
    last = datetime.fromisoformat(shown["upcoming"][0]["utc"]) - timedelta(days=7)
    changed = "UPDATE agent_triggers SET next_fire_at = $1, misfire_max_age_seconds = 604800 WHERE id = $2"
    await book.connection.execute(changed, last, shown["trigger_id"])
    await product.start_worker()
    scheduler = Scheduler(product.pool)
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduler.run())

        async def look() -> list[dict[str, Any]]:
            fires = (await customer.client.get(f"{url}/fires")).json()["items"]
            return [fire for fire in fires if fire["outcome"] == "fired"]

        (fire,) = await until(look)
        execution = await product.ended(customer, fire["execution_id"])
        scheduler.request_stop()

    assert execution["status"] == "completed", execution
    assert execution["output_result"]["report"]
    assert execution["input_payload"]["schedule"]["fire_at"] == fire["fire_at"]
    # The model is told the time the run stands for, by the schedule's own clock.
    local = datetime.fromisoformat(fire["fire_at"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{local.isoformat()} (Europe/Berlin)" in str(product.model.chats[0])
    assert (await customer.client.get(f"{url}/next")).json()["next_fire_at"] == shown["next_fire_at"]
