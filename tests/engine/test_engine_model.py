"""The engine against a model: any order of events, crashes, zombies, sweeps, cancels and retries, checked after each.

The statements are the real ones in a real PostgreSQL, and the workers' code is the product's (see
``tests/support/engine_workers.py``); what they must answer is ``tests/support/engine_model.py``.

``DESKHAND_HYPOTHESIS_PROFILE=long`` searches for minutes, with other examples on each run, and shrinks what it finds.

That it can fail was seen by breaking the SQL in a scratch database, one thing at a time; each was caught in seconds:
no fence in ``begin_step``, ``end_step``, ``finish_execution`` or ``heartbeat_executions`` (a zombie's statement was
taken); no cap, no look at the lane, no lock or a living worker's run taken in ``start_execution`` (wrong verdict, two
runs on one ticket); an attempt not raised (a zombie's steps were taken); a write in doubt or a finished step done again
(wrong verdict before the second write); a cancel not seen by ``begin_step``; an older event's payload kept, an echo
accepted; nothing promoted, or dead workers' runs not swept (work left at the end). A cancel not seen by
``finish_execution`` was a bug that this test found; the 40 examples of today happen not to meet it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from copy import deepcopy
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.conftest import DatabaseUrls, empty_tables
from tests.support.engine import TOOL, EngineTables, arrival, engine_tables
from tests.support.engine_model import FINAL, Model, Run
from tests.support.engine_workers import MARKS, STALE_AFTER, WRITES, CountingDesk, Worker, doubled
from tests.support.logins import open_database

from deskhand.access.principal import Principal
from deskhand.engine.claims import heartbeat, sweep
from deskhand.engine.statements import RunStatements
from deskhand.errors import ConflictError
from deskhand.executions import service
from deskhand.executions.decision_schemas import DoubtAnswer
from deskhand.executions.doubts import answer_doubt
from deskhand.intake.repository import Arrival, TriggerRow
from deskhand.intake.schemas import DeliveryAnswer

T = TypeVar("T")

LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"
EXAMPLES = settings(
    max_examples=600 if LONG else 140,
    stateful_step_count=40 if LONG else 20,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=LONG,
    phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)
CAPS = {"acme": 2, "globex": 1}
AGENTS = ("acme", "acme", "globex")  # two of one tenant share the tickets
SOME_TIME = timedelta(seconds=2 * STALE_AFTER)  # longer than a retry waits and than a silent worker is believed in
ROUNDS_TO_QUIET = 60
ROUNDS_OF_EXAMPLES = 4

ENOUGH = 6  # unfinished runs, for more events to be of interest
# How often each thing happens. They are one rule: of several, Hypothesis leaves some out in each example, and without
# any of these there is little left to see.
WEIGHTS = {
    "a job is taken": 6,
    "a job is delivered again": 2,
    "a worker goes on": 5,
    "runs start at the same moment": 2,
    "time passes": 5,
    "a silent worker reports": 1,
    "the desk is about to fail": 3,
    "an agent is suspended": 2,
    "an agent is activated": 3,
    "a person cancels": 1,
    "a person retries": 2,
    "a person answers": 2,
}
WORTH_SEEING = (
    *("event: coalesced", "start: parked", "start: active", "start: cancelled", "begin: replay"),
    *("begin: in_doubt", "begin: fenced", "end: adopted", "finish: queued", "finish: failed"),
)
FAULTS = ("answer-lost", "down", "refused", "cannot-tell")

ALL_JOBS = "SELECT id, payload FROM pgqueuer ORDER BY id"
DUE_JOBS = "SELECT id, payload FROM pgqueuer WHERE status = 'queued' AND execute_after <= now() ORDER BY id"
TIMES = ("queued_at", "heartbeat_at", "not_before", "dismissed_at")


class Event(NamedTuple):
    """An event to be sent.

    Attributes:
        again: Number of a delivery id that others may have, too; None for one of its own.
    """

    agent: int
    ticket: str | None
    again: int | None


class Moment(NamedTuple):
    """Something that happens to the work.

    Attributes:
        hops: Statements and effects that a worker does.
        fate: What becomes of it then.
    """

    what: str
    which: int
    hops: int
    fate: str

    def one_of(self, things: Sequence[T]) -> T:
        """The thing that is meant."""
        return things[self.which % len(things)]


MOMENTS = st.builds(
    Moment,
    what=st.sampled_from([what for what, weight in WEIGHTS.items() for _ in range(weight)]),
    which=st.integers(0, 59),
    # 19 are a whole run; after 10 and 15 a write was made and not written down, after 17 nothing but the end is left
    hops=st.sampled_from((*range(1, 20), 10, 10, 15, 15, 17)),
    fate=st.sampled_from(("stands still", "dies", "dies", "freezes", "freezes")),
)
EVENTS = st.builds(
    Event,
    agent=st.integers(0, len(AGENTS) - 1),
    ticket=st.sampled_from((None, "1", "2")),
    again=st.none() | st.integers(0, 4),
)


class World:
    """What all examples share: an event loop and connections; and what each begins with: tenants and their agents."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self.loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._urls = urls
        self.tables: EngineTables = self.run(
            self._stack.enter_async_context(engine_tables(urls.app_url, urls.superuser_url, connections=5))
        )
        self.db = open_database(urls.app_url, pool_size=1)
        self.seen: Counter[str] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def begin(self) -> list[TriggerRow]:
        """Empty tables, and the tenants with their agents; the agents' triggers."""
        await empty_tables(self._urls.superuser_url)
        for tenant, cap in CAPS.items():
            await self.tables.tenant(tenant, concurrent_executions=cap)
        return [await self.tables.agent(tenant) for tenant in AGENTS]

    def close(self) -> None:
        self.run(self._stack.aclose())
        self.run(self.db.dispose())
        self.loop.close()


class Engine(RuleBasedStateMachine):
    """Everything that happens to executions, in any order."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.triggers = self.do(self.world.begin())
        self.tables = self.world.tables
        self.model = Model(dict(CAPS), {trigger.agent_id: "active" for trigger in self.triggers})
        self.desk = CountingDesk()
        self.workers: list[Worker] = []
        self.serial = 0
        self.ended: dict[UUID, dict[str, Any]] = {}
        self.attempts: Counter[UUID] = Counter()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self.world.run(work)
        except BaseException:
            self.broken = True
            raise

    # -- events ------------------------------------------------------------------------------

    @initialize(events=st.lists(EVENTS, min_size=1, max_size=4))
    def the_first_events_arrive(self, events: list[Event]) -> None:
        self.do(self._accept(events))

    @rule(events=st.lists(EVENTS, min_size=1, max_size=3))
    def events_arrive(self, events: list[Event]) -> None:
        # Not a precondition: who wins a race is not for Hypothesis to decide, and what it draws must not depend on it.
        if len(self.model.unfinished()) < ENOUGH:
            self.do(self._accept(events))

    async def _accept(self, events: list[Event]) -> None:
        arrivals = []
        for event in events:
            self.serial += 1
            delivery = f"only-{self.serial}" if event.again is None else f"again-{event.again}"
            trigger = await self.tables.trigger(self.triggers[event.agent].agent_id)
            arrivals.append(arrival(trigger, delivery, event.ticket, {"n": self.serial}))
        for one, answer in zip(arrivals, await self.tables.accept(*arrivals), strict=True):
            self._check_answer(one, answer)

    def _check_answer(self, arrived: Arrival, answer: DeliveryAnswer | None) -> None:
        trigger, delivery, number = arrived.trigger, arrived.delivery, arrived.payload["n"]
        lane = None if delivery.ticket_ref is None else f"{TOOL}/{delivery.ticket_ref}"
        name = str(delivery.delivery_id)
        expected = self.model.accept(trigger.tenant_id, trigger.agent_id, name, lane, number)
        given = ("stale", None) if answer is None else (answer.status.value, answer.execution_id)
        self.world.seen[f"event: {given[0]}"] += 1
        if expected == ("accepted", None) and given[0] == "accepted":
            assert given[1] is not None
            self.model.add(Run(given[1], trigger.tenant_id, trigger.agent_id, lane, number), name)
            return
        assert given == expected, f"event {name} on {lane}: {given}, not {expected}"

    # -- everything else ---------------------------------------------------------------------

    @rule(moments=st.lists(MOMENTS, min_size=1, max_size=6))
    def life_goes_on(self, moments: list[Moment]) -> None:
        things = {
            "a job is taken": partial(self._take, DUE_JOBS),
            "a job is delivered again": partial(self._take, ALL_JOBS),
            "a worker goes on": self._go_on,
            "runs start at the same moment": self._race,
            "time passes": self._pass_time,
            "a silent worker reports": self._report,
            "the desk is about to fail": self._fault,
            "an agent is suspended": partial(self._set_agent, "suspended"),
            "an agent is activated": partial(self._set_agent, "active"),
            "a person cancels": self._cancel,
            "a person retries": self._retry,
            "a person answers": self._answer,
        }
        for moment in moments:
            self.do(things[moment.what](moment))
            self.do(self._compare())

    # -- workers -----------------------------------------------------------------------------

    async def _take(self, which_jobs: str, moment: Moment) -> None:
        jobs = await self.tables.everything.fetch(which_jobs)
        if jobs:
            worker = await self._hire(moment.one_of(jobs))
            await self._advance(worker, moment.hops, moment.fate)

    async def _go_on(self, moment: Moment) -> None:
        if self.workers:
            await self._advance(moment.one_of(self.workers), moment.hops, moment.fate)

    async def _race(self, moment: Moment) -> None:
        jobs = (await self.tables.everything.fetch(DUE_JOBS))[:4]
        shared = RunStatements(self.tables.pool) if moment.which % 2 else None  # one process, or one each
        racers = [await self._hire(job, shared, racing=True) for job in jobs]
        await asyncio.gather(*(worker.go(1) for worker in racers))
        order = next((order for order in permutations(racers) if self._explains(order)), None)
        assert order is not None, f"no order of starts leads to {[(w, w.verdict) for w in racers]}"
        for worker in order:
            self.model.start(self.model.runs[worker.execution_id])
        for worker in racers:
            await self._advance(worker, moment.hops // 4)

    def _explains(self, order: Sequence[Worker]) -> bool:
        """Whether the verdicts are those of starts one after another, in this order."""
        model = deepcopy(self.model)
        return all(model.start(model.runs[worker.execution_id]) == worker.verdict for worker in order)

    async def _hire(
        self, job: asyncpg.Record, statements: RunStatements | None = None, *, racing: bool = False
    ) -> Worker:
        await self.tables.everything.execute("UPDATE pgqueuer SET status = 'picked' WHERE id = $1", job["id"])
        self.serial += 1
        statements = statements or RunStatements(self.tables.pool)
        worker = Worker(statements, self.model, self.desk, job, name=f"w{self.serial}", racing=racing)
        worker.seen = self.world.seen
        self.workers.append(worker)
        return worker

    async def _advance(self, worker: Worker, hops: int, fate: str = "stands still") -> None:
        await worker.go(hops)
        if worker.over:
            await self.tables.everything.execute("DELETE FROM pgqueuer WHERE id = $1", worker.job_id)
        elif fate == "dies":
            self.world.seen[f"died {worker.gate.place}"] += 1
            await worker.die()
        else:
            worker.lease.lost = worker.lease.lost or fate == "freezes"
            return
        self.workers.remove(worker)

    # -- time --------------------------------------------------------------------------------

    async def _report(self, moment: Moment) -> None:
        silent = [worker for worker in self.workers if worker.lease.lost]
        if silent:
            await self._beat(moment.one_of(silent))

    async def _pass_time(self, moment: Moment | None = None) -> None:
        await self.tables.let_time_pass(SOME_TIME)
        self.model.let_time_pass()
        awake = [worker for worker in self.workers if not worker.lease.lost]
        for worker in awake:
            await self._beat(worker)
        # PgQueuer gives jobs out again whose worker is silent.
        await self.tables.everything.execute(
            "UPDATE pgqueuer SET status = 'queued' WHERE status = 'picked' AND id <> ALL ($1)",
            [worker.job_id for worker in awake],
        )
        if moment is None or moment.which % 4:
            await sweep(self.tables.pool, stale_after=STALE_AFTER)

    async def _beat(self, worker: Worker) -> None:
        if worker.owned is None:
            return
        run, attempt = self.model.runs[worker.execution_id], worker.owned.attempt
        mine = await heartbeat(self.tables.pool, worker_id=worker.name, runs={(run.id, attempt)})
        held = run.held(attempt)
        assert mine == ({(run.id, attempt)} if held else set()), f"heartbeat of {worker}: {mine}"
        worker.lease.lost = not held
        run.heard_of = run.heard_of or held

    # -- the desk and people -------------------------------------------------------------------

    async def _fault(self, moment: Moment) -> None:
        self.desk.fault = moment.one_of(FAULTS)

    async def _set_agent(self, status: str, moment: Moment) -> None:
        agent = moment.one_of(self.triggers).agent_id
        self.model.agents[agent] = status
        await self.tables.set_agent_status(agent, status)

    def _some(self, moment: Moment, *statuses: str) -> Run | None:
        found = [run for run in self.model.runs.values() if run.status in statuses]
        return moment.one_of(found) if found else None

    async def _cancel(self, moment: Moment) -> None:
        run = self._some(moment, "queued", "running", "waiting", "completed")
        if run is not None:
            await self._person(service.cancel_execution, run, allowed=self.model.cancel(run))

    async def _retry(self, moment: Moment) -> None:
        run = self._some(moment, "failed", "cancelled")
        if run is None:
            return
        allowed = self.model.retry(run)
        if allowed:
            self.ended.pop(run.id)
        await self._person(service.retry_execution, run, allowed=allowed)

    async def _answer(self, moment: Moment) -> None:
        run = self._some(moment, "waiting")
        if run is None:
            return
        key = next(key for key, step in run.steps.items() if step.state == "in_doubt")
        done = MARKS.make(run.id, key) in self.desk.written
        self.model.answer(run, key, done=done)
        await self._person(answer_doubt, run, DoubtAnswer(step_key=key, done=done), allowed=True)

    async def _person(self, change: Any, run: Run, *given: Any, allowed: bool) -> None:
        principal = Principal(kind="session", tenant_id=run.tenant, role="operator", actor="user:dana")
        try:
            async with self.world.db.tenant_session(run.tenant) as session:
                await change(session, run.id, *given, principal=principal)
        except ConflictError:
            assert not allowed, f"{change.__name__} of {run} was refused"
        else:
            assert allowed, f"{change.__name__} of {run} was allowed"

    # -- what holds at every moment ------------------------------------------------------------

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        self.do(self._compare())

    async def _compare(self) -> None:
        rows = {row["id"]: dict(row) for row in await self.tables.everything.fetch("SELECT * FROM agent_executions")}
        assert rows.keys() == self.model.runs.keys()
        steps = await self.tables.everything.fetch("SELECT execution_id, step_key, state FROM execution_steps")
        states = {(row["execution_id"], row["step_key"]): row["state"] for row in steps}
        assert states == {
            (run.id, key): step.state for run in self.model.runs.values() for key, step in run.steps.items()
        }
        for run in self.model.runs.values():
            self._compare_row(run, rows[run.id])
        self._check_promises(list(rows.values()))
        deliveries = await self.tables.everything.fetch("SELECT outcome, execution_id FROM webhook_deliveries")
        assert all((d["execution_id"] in rows) == (d["outcome"] != "ignored") for d in deliveries)

    def _compare_row(self, run: Run, row: dict[str, Any]) -> None:
        seen = (row["status"], row["attempt"], row["cancel_requested_at"] is not None, row["input_payload"]["n"])
        assert seen == (run.status, run.attempt, run.cancel, run.event), f"{run} is {seen} in the database"
        assert (row["max_attempts"], row["crashes"]) == (run.max_attempts, run.crashes)
        assert row["attempt"] >= self.attempts[run.id], "an attempt was taken back"
        self.attempts[run.id] = row["attempt"]
        assert (row["completed_at"] is not None) == (run.status in FINAL)
        if run.status in FINAL:
            lasting = {name: value for name, value in row.items() if name not in TIMES}
            assert self.ended.setdefault(run.id, lasting) == lasting, "an ended run was changed"

    def _check_promises(self, rows: list[dict[str, Any]]) -> None:
        running = [row for row in rows if row["status"] == "running"]
        at_once = Counter(row["tenant_id"] for row in running)
        assert all(at_once[tenant] <= cap for tenant, cap in CAPS.items()), f"over the cap: {at_once}"
        lanes = Counter((row["tenant_id"], row["lane"]) for row in running if row["lane"])
        assert all(count == 1 for count in lanes.values()), f"two runs on one ticket: {lanes}"
        waiting = Counter(
            (row["tenant_id"], row["agent_id"], row["lane"])
            for row in rows
            if row["status"] == "queued" and row["attempt"] == 0 and row["lane"]
        )
        assert all(count == 1 for count in waiting.values()), f"two runs wait for one ticket: {waiting}"
        assert all(row["status"] == "queued" for row in rows if row["parked"]), "parked and not queued"
        assert not doubled(self.desk), f"written twice: {doubled(self.desk)}"

    # -- how it ends ---------------------------------------------------------------------------

    def teardown(self) -> None:
        if not self.broken:
            self.do(self._become_quiet())
        for worker in self.workers:
            self.world.run(worker.die())

    async def _become_quiet(self) -> None:
        """No more crashes and faults: everything ends, once."""
        self.desk.fault = None
        for agent, status in self.model.agents.items():
            if status != "active":
                self.model.agents[agent] = "active"
                await self.tables.set_agent_status(agent, "active")
        for _ in range(ROUNDS_TO_QUIET):
            for worker in list(self.workers):
                await self._advance(worker, 100)
            if await self._is_quiet():
                break
            await self._pass_time()
            for job in await self.tables.everything.fetch(DUE_JOBS):
                await self._advance(await self._hire(job), 100)
            await self._compare()
        await self._check_the_end()

    async def _is_quiet(self) -> bool:
        busy = any(run.status in ("queued", "running") for run in self.model.runs.values())
        return not busy and not await self.tables.everything.fetchval("SELECT count(*) FROM pgqueuer")

    async def _check_the_end(self) -> None:
        assert await self._is_quiet(), f"still not quiet: {self.model.unfinished()}"
        await self._compare()
        assert await sweep(self.tables.pool, stale_after=STALE_AFTER) == 0
        for run in self.model.runs.values():
            assert run.status in FINAL or run.status == "waiting"
            times = [len(self.desk.written.get(MARKS.make(run.id, key), [])) for key in WRITES]
            assert max(times) <= 1
            assert run.status != "completed" or times == [1] * len(WRITES), f"{run} is completed, written {times} times"


@pytest.mark.timeout(0 if LONG else 300)
def test_whatever_happens_the_engine_does_what_the_model_says(database_urls: DatabaseUrls) -> None:
    world = World(database_urls)
    try:
        # Another Python draws other examples: what the first of them do not come across, further ones may.
        for round_ in range(ROUNDS_OF_EXAMPLES):
            engine = type("Engine", (Engine,), {"world": world})
            run_state_machine_as_test(seed(round_)(engine) if round_ else engine, settings=EXAMPLES)
            missed = {what for what in WORTH_SEEING if not world.seen[what]}
            if not missed:
                break
        assert not missed, f"no example came across {missed}: change the weights, or try more examples"
    finally:
        world.close()
