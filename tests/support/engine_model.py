"""What the engine is meant to do, in plain Python and without a database: the other half of a property test.

Each method both says what the engine must answer and does it to the model. Nothing here knows of hand-overs, parking
or promotion: those decide when a run may start, never what becomes of it, so the model has no use for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

FINAL = frozenset({"completed", "failed", "cancelled"})
TRIES = 15  # starts after an event, and again after a person's decision
CRASHES = 4  # workers that may die on a run


@dataclass
class Step:
    """One step of a run."""

    state: str
    idempotent: bool
    is_write: bool = False


@dataclass
class Run:
    """One execution.

    Attributes:
        heard_of: Whether its worker sent a heartbeat lately.
        due: Whether the time of its retry has come.
        event: Number of the newest event it stands for.
    """

    id: UUID
    tenant: str
    agent: UUID
    lane: str | None
    event: int
    status: str = "queued"
    attempt: int = 0
    max_attempts: int = TRIES
    crashes: int = 0
    cancel: bool = False
    heard_of: bool = True
    due: bool = True
    steps: dict[str, Step] = field(default_factory=dict)

    def held(self, attempt: int) -> bool:
        """Whether that attempt owns the run."""
        return self.status == "running" and self.attempt == attempt

    def end(self, status: str) -> None:
        """It ends so; of what was begun and had an effect, nobody knows whether it was done."""
        self.status = status
        for step in self.steps.values():
            if step.state in ("started", "in_doubt"):
                step.state = "in_doubt" if step.is_write or not step.idempotent else "failed"


@dataclass
class Model:
    """Every tenant's runs.

    Attributes:
        caps: Runs at once, per tenant.
        agents: Status of each agent.
        deliveries: Answer to each delivery, by agent and delivery id.
    """

    caps: dict[str, int]
    agents: dict[UUID, str]
    runs: dict[UUID, Run] = field(default_factory=dict)
    deliveries: dict[tuple[UUID, str], tuple[str, UUID | None]] = field(default_factory=dict)

    def running(self, tenant: str) -> list[Run]:
        """Runs that hold a slot of the tenant."""
        return [run for run in self.runs.values() if run.tenant == tenant and run.status == "running"]

    def unfinished(self) -> list[Run]:
        """Runs that are still to do something by themselves."""
        return [run for run in self.runs.values() if run.status in ("queued", "running")]

    def stopped(self, run: Run) -> bool:
        """Whether the run must not have another effect."""
        return run.cancel or self.agents[run.agent] != "active"

    def blocked(self, run: Run) -> bool:
        """Whether a queued run must wait: for a slot, or for another run on its ticket."""
        running = self.running(run.tenant)
        on_ticket = run.lane is not None and any(other.lane == run.lane for other in running)
        return on_ticket or len(running) >= self.caps[run.tenant]

    # -- events ------------------------------------------------------------------------------

    def accept(self, tenant: str, agent: UUID, delivery: str, lane: str | None, event: int) -> tuple[str, UUID | None]:
        """The answer to an event; ``("accepted", None)`` if it starts a run, which ``add`` then takes in."""
        if self.agents[agent] != "active":
            return "stale", None
        known = self.deliveries.get((agent, delivery))
        if known is not None:
            return known
        waiting = self.waiting_for_first_start(tenant, agent, lane)
        if waiting is None:
            return "accepted", None
        waiting.event = event
        self.deliveries[agent, delivery] = ("coalesced", waiting.id)
        return "coalesced", waiting.id

    def add(self, run: Run, delivery: str) -> None:
        """A run that an accepted event started."""
        assert run.id not in self.runs, "the id of an older run was given out again"
        self.runs[run.id] = run
        self.deliveries[run.agent, delivery] = ("accepted", run.id)

    def waiting_for_first_start(self, tenant: str, agent: UUID, lane: str | None) -> Run | None:
        """The run that a new event of the ticket joins."""
        found = [
            run
            for run in self.runs.values()
            if (run.tenant, run.agent, run.lane) == (tenant, agent, lane) and run.status == "queued" and not run.attempt
        ]
        return found[0] if found and lane is not None else None

    # -- workers -----------------------------------------------------------------------------

    def start(self, run: Run) -> str:
        """Verdict on a worker that wants to run it."""
        if run.status not in ("queued", "running"):
            return "ended"
        if run.status == "running" and run.heard_of:
            return "active"
        if self.stopped(run):
            run.end("cancelled")
            return "cancelled"
        if run.status == "queued" and not run.due:
            return "later"
        run.crashes += run.status == "running"
        if run.crashes >= CRASHES:
            run.end("failed")
            return "failed"
        if run.status == "queued" and self.blocked(run):
            return "parked"
        run.status, run.attempt, run.heard_of = "running", run.attempt + 1, True
        return "started"

    def begin(self, run: Run, attempt: int, key: str, *, idempotent: bool, mark: str | None) -> str:
        """Verdict on a worker that is about to do a step."""
        if not run.held(attempt):
            return "fenced"
        step = run.steps.get(key)
        if step is not None and step.state == "finished":
            return "replay"
        if self.stopped(run):
            return "cancelled"
        if step is None:
            run.steps[key] = Step("started", idempotent, is_write=mark is not None)
            return "new"
        if step.state in ("started", "in_doubt") and not idempotent:
            step.state = "in_doubt"
            return "in_doubt"
        step.state = "started"
        return "again"

    def end(self, run: Run, attempt: int, key: str, state: str) -> bool:
        """Whether the result of a step is taken."""
        if not run.held(attempt):
            return False
        run.steps[key].state = state
        return True

    def finish(self, run: Run, attempt: int, status: str) -> bool:
        """Whether the ending of a run is taken."""
        if not run.held(attempt):
            return False
        # A run that was to go on, or to wait for a person, and was cancelled meanwhile does neither.
        ends_as = "cancelled" if run.cancel and status in ("queued", "waiting") else status
        run.due = status != "queued"
        if ends_as in FINAL:
            run.end(ends_as)
            return True
        run.status = ends_as
        for step in run.steps.values():
            if step.state == "started" and step.idempotent and not step.is_write and status == "queued":
                step.state = "failed"
        return True

    # -- people and time -----------------------------------------------------------------------

    def cancel(self, run: Run) -> bool:
        """Whether a person may cancel it."""
        if run.status in FINAL:
            return False
        run.cancel = True
        if run.status != "running":
            run.end("cancelled")
        return True

    def retry(self, run: Run) -> bool:
        """Whether a person may have it tried again."""
        if run.status not in ("failed", "cancelled"):
            return False
        if run.attempt == 0 and self.waiting_for_first_start(run.tenant, run.agent, run.lane) is not None:
            return False
        self._requeue(run)
        return True

    def answer(self, run: Run, key: str, *, done: bool) -> None:
        """A person looked at the ticket and says whether a write in doubt was done."""
        run.steps[key].state = "finished" if done else "failed"
        self._requeue(run)

    def _requeue(self, run: Run) -> None:
        run.status, run.cancel, run.due, run.crashes = "queued", False, True, 0
        run.max_attempts = run.attempt + TRIES

    def let_time_pass(self) -> None:
        """Longer than any retry waits and than a silent worker is believed in; the living report again at once."""
        for run in self.runs.values():
            run.due = True
            run.heard_of = False
