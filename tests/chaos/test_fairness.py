"""A flood of one tenant does not delay another, caps and hourly limits hold, and weights share the workers.

Everything is asserted from rows: a trigger that only these tests have takes down each start with the number of the
tenant's runs at that moment. Latency in milliseconds is ``benchmarks/fairness.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from tests.conftest import DatabaseUrls
from tests.support.engine import engine_tables
from tests.support.fairness import Moment, Town, starts_between, visits, witnessed, workers
from tests.support.product import until

from deskhand.engine.claims import sweep
from deskhand.kit.db.session import Database

WORKERS, SLOTS = 2, 4
ALL_SLOTS = WORKERS * SLOTS
FLOOD = 10_000
VISITS = 40

# Starts under way when an event arrives: what runs, and what the workers have taken from the queue already.
ALREADY_TAKEN = 2 * ALL_SLOTS


@pytest.fixture
async def town(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Town]:
    urls = (database_urls.app_url, database_urls.superuser_url)
    async with engine_tables(*urls, connections=12) as tables, witnessed(tables) as town:
        yield town


@pytest.mark.parametrize(("cap", "flood"), [(50, FLOOD), (5, 500), (1, 500)])
async def test_a_quiet_tenant_is_next_while_another_has_thousands_queued(town: Town, cap: int, flood: int) -> None:
    caps = {"flooding": cap, "busy": 3, "quiet": 2}
    for name, allowed in caps.items():
        await town.tenant(name, cap=allowed)
    await town.flood("flooding", flood)
    await town.flood("busy", 200)

    at_once = min(cap, ALL_SLOTS - 2)  # the others need some, too
    async with workers(town.tables.pool, count=WORKERS, slots=SLOTS, company={"flooding": at_once}):
        came = await visits(town, "quiet", VISITS)

        async def cap_was_seen() -> bool:  # a worker that a busy machine let start late has its share by then
            return any(m.tenant == "flooding" and m.running >= at_once for m in await town.moments())

        assert await until(cap_was_seen)

    assert await town.count("tenant_id = 'flooding' AND status = 'queued'") > flood // 2, "the flood was over too soon"
    moments = await town.moments()
    overtaken = [starts_between(moments, visit) for visit in came]
    assert max(overtaken) <= ALREADY_TAKEN, f"starts of others while a quiet tenant's event waited: {overtaken}"
    most = Counter[str]()
    for moment in moments:
        most[moment.tenant] = max(most[moment.tenant], moment.running)
    assert all(most[name] <= caps[name] for name in caps), f"most runs at once: {most}"
    assert most["flooding"] >= at_once, "nothing was seen of the cap: it was never reached"
    assert_oldest_first([m for m in moments if m.tenant == "flooding" and m.what == "promoted"])


def assert_oldest_first(promoted: list[Moment]) -> None:
    """Workers that end runs at the same moment pass over each other's rows, so neighbours may change places."""
    assert promoted
    astray = [abs(moment.place - number) for number, moment in enumerate(promoted, start=1)]
    assert max(astray) <= ALL_SLOTS, f"promoted out of turn by {max(astray)}"


async def test_weights_share_the_slots_that_are_fought_for(town: Town) -> None:
    weights = {"double": 2, "single": 1}
    for name, weight in weights.items():
        await town.tenant(name, cap=50, weight=weight)
        await town.flood(name, 300)

    async def enough() -> bool:
        return await town.count("attempt > 0") >= 300

    async with workers(town.tables.pool, count=1, slots=SLOTS):
        await until(enough)
    starts = [moment.tenant for moment in await town.moments() if moment.what == "started"][:300]
    share = Counter(starts)
    assert 1.7 <= share["double"] / share["single"] <= 2.3, share
    # Not in turns of hundreds, either: in any stretch of 30 about 20 and 10.
    stretches = [Counter(starts[at : at + 30])["double"] for at in range(0, 270, 10)]
    assert all(15 <= count <= 25 for count in stretches), stretches


async def test_no_more_start_in_an_hour_than_allowed_and_the_rest_follow_in_the_next(town: Town) -> None:
    allowed, events = 7, 20
    await town.tenant("limited", cap=3, executions_per_hour=allowed)
    await town.tenant("free", cap=3)
    await town.flood("limited", events)
    await town.flood("free", events)
    per_hour = []
    async with workers(town.tables.pool, count=WORKERS, slots=SLOTS):
        while sum(per_hour) < events:
            due = min(events, sum(per_hour) + allowed)

            async def all_due_ended(due: int = due) -> bool:
                return await town.count("tenant_id = 'limited' AND status = 'completed'") >= due

            await until(all_due_ended)
            await sweep(town.tables.pool, stale_after=5.0)  # a chance for one too many
            started = await town.count("tenant_id = 'limited' AND attempt > 0")
            per_hour.append(started - sum(per_hour))
            # An hour passes: what is older by then counts no more.
            await town.tables.everything.execute("DELETE FROM execution_starts")

        async def nothing_is_left() -> bool:
            return await town.count("status <> 'completed'") == 0

        await until(nothing_is_left)

    assert per_hour == [7, 7, 6]
    assert await town.count("tenant_id = 'free' AND status = 'completed'") == events
