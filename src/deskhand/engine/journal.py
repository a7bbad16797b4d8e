"""The step journal: an intent row before every effect, its result after it, both fenced.

It is the trace people look at and the memory a run resumes from. A finished step is replayed. An
idempotent step that was started and not finished runs again. A write that was started and not
finished is *in doubt*: its ``recover`` asks the desk by the write's mark, and only when the desk is
sure that the write does not exist is it made.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from pydantic_core import to_jsonable_python

from deskhand.engine.claims import RunningExecution
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import StepState
from deskhand.errors import DeskhandError, InDoubtError, LostClaimError, RunCancelledError, RunInterrupted
from deskhand.kit.marks import MarkMaker
from deskhand.kit.purse import Purse
from deskhand.kit.telemetry import Telemetry
from deskhand.kit.usage import StepUsage

StepKind = Literal["model", "tool", "write", "compute"]


class Recovery(Enum):
    """What ``recover`` may answer instead of the step's output."""

    NOT_DONE = "not_done"
    """The effect is certainly absent, so the journal may run the body."""


NOT_DONE: Final = Recovery.NOT_DONE


@dataclass(frozen=True, slots=True)
class _Intent:
    """What is written before an effect."""

    key: str
    kind: StepKind
    name: str
    idempotent: bool
    mark: str | None
    trace_input: Any


class Journal:
    """Journal of one attempt of one run. Implements ``llm.durability.StepJournal``.

    Args:
        statements: The worker's way to the database.
        execution: The run, with its fence.
        budget: What is left of its limits; every step is counted here and nowhere else.
        lease: Says whether the worker may still act; checked before each step.
        telemetry: Takes each step's time and what its model used.
        marks: Makes the marks of writes.
        kept_marks: By step key, the marks of writes that an earlier attempt began; they hold though the key is another.
        purse: What its model calls are paid from.
    """

    def __init__(
        self,
        statements: RunStatements,
        execution: RunningExecution,
        budget: RunBudget,
        lease: Lease,
        telemetry: Telemetry,
        *,
        marks: MarkMaker,
        kept_marks: Mapping[str, str] | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.purse = purse
        self._marks = marks
        self._kept_marks = kept_marks or {}
        # Also those of earlier attempts: until this one has met them again, nobody here knows what became of them.
        self._open_writes = set(self._kept_marks)
        self.execution = execution
        self._lease = lease
        self._statements = statements
        self._budget = budget
        self._telemetry = telemetry
        self._ordinals: Counter[str] = Counter()

    def key_for(self, name: str, key: str | None) -> str:
        """Stable key of a step: its own, or its ordinal among the steps of that name."""
        if key is not None:
            return key
        # Numbered in the order in which the run asks. That is the same on each attempt: steps without a key come from
        # code, or from a model whose earlier answers the journal replays.
        self._ordinals[name] += 1
        return f"{name}#{self._ordinals[name]}"

    def mark_for(self, step_key: str) -> str:
        """Idempotency mark of the write with that key: the same on every attempt."""
        # A mark that is on a ticket already must stay: after the installation's key was rotated a new one would differ,
        # and the worker would ask the desk for a mark that it never wrote.
        return self._kept_marks.get(step_key) or self._marks.make(self.execution.id, step_key)

    @property
    def max_tokens(self) -> int:
        """Tokens that the run may use, input and output together."""
        return self._budget.limits.max_tokens

    @property
    def begun_writes(self) -> frozenset[str]:
        """Keys of the writes that earlier attempts of the run began."""
        return frozenset(self._kept_marks)

    @property
    def open_writes(self) -> frozenset[str]:
        """Keys of the writes that were begun and have no end yet, as far as this attempt knows."""
        return frozenset(self._open_writes)

    async def step(
        self,
        *,
        name: str,
        key: str | None = None,
        kind: StepKind,
        body: Callable[[], Awaitable[Any]],
        idempotent: bool = True,
        input: Any = None,  # noqa: A002  (the word the journal's column and the traces use)
        measure: Callable[[Any], StepUsage] | None = None,
        recover: Callable[[], Awaitable[Any]] | None = None,
        owed: bool = False,
    ) -> Any:
        """Run one step, or replay it.

        Args:
            name: What people read in the trace.
            key: Makes the step identifiable across attempts; None numbers the steps of this name.
            kind: ``model``, ``tool``, ``write`` or ``compute``.
            body: The effect; returns something JSON can hold.
            idempotent: False if doing it twice would be seen outside.
            input: What goes into the trace.
            measure: Reads tokens and cost out of the result.
            recover: For a write in doubt: returns its result if the desk has it, ``NOT_DONE`` if it surely has not.
            owed: The run owes it whatever its limits say; they are for what a model asks for.

        Raises:
            RunInterrupted: The run lost its claim, was cancelled or reached a limit.
        """
        step_key = self.key_for(name, key)
        # Before the intent: a worker that lost its claim must not write a row that the next owner takes for its own.
        self._lease.check()
        if not owed:
            self._budget.begin_step()
        # Every write has a mark, also one that may be repeated: by it our own change is known when the desk reports it.
        mark = self.mark_for(step_key) if kind == "write" else None
        intent = _Intent(step_key, kind, name, idempotent, mark, input)
        verdict, output = await self._begin(intent)
        if kind == "write":
            self._open_writes.add(step_key)
        # What the model used counts again, so that a resumed run has no second budget; Prometheus does not count it
        # twice.
        if verdict == "replay":
            self._open_writes.discard(step_key)
            self._count(measure, output)
            self._telemetry.step(kind, outcome="replayed", seconds=0.0)
            return output
        if verdict == "in_doubt":
            adopted = await self._settle_doubt(step_key, recover)
            if adopted is not NOT_DONE:
                await self._end(step_key, StepState.FINISHED, adopted, None, StepUsage())
                return adopted
        began = time.monotonic()
        outcome = "error"
        try:
            result = await self._perform(step_key, body, measure, idempotent=idempotent)
            outcome = "ok"
        finally:
            self._telemetry.step(kind, outcome=outcome, seconds=time.monotonic() - began)
        return result

    async def _perform(
        self,
        step_key: str,
        body: Callable[[], Awaitable[Any]],
        measure: Callable[[Any], StepUsage] | None,
        *,
        idempotent: bool,
    ) -> Any:
        try:
            result = to_jsonable_python(await body())
        except RunInterrupted:
            raise
        except FAILURES as error:
            # Recorded for the trace, then passed on: the executor decides what the failure means. A write whose
            # outcome is unknown must stay "started", so that the next try asks the desk before it repeats it.
            if idempotent or _surely_not_done(error):
                await self._end(step_key, StepState.FAILED, None, describe(error), StepUsage())
            raise
        usage = self._count(measure, result)
        if usage.model is not None:
            self._telemetry.model_use(
                usage.model, tokens_in=usage.tokens_in, tokens_out=usage.tokens_out, cost_usd=usage.cost_usd
            )
        for reason in usage.moved_on:
            self._telemetry.model_fallback(reason)
        await self._end(step_key, StepState.FINISHED, result, None, usage)
        return result

    async def _settle_doubt(self, step_key: str, recover: Callable[[], Awaitable[Any]] | None) -> Any:
        # Nobody can be asked. To repeat the write might do it twice, to skip it might lose it: a person decides.
        if recover is None:
            raise InDoubtError(
                f"The write '{step_key}' was begun by a worker that died. Look at the ticket: was it done?"
            )
        output = await recover()
        return NOT_DONE if output is NOT_DONE else to_jsonable_python(output)

    def _count(self, measure: Callable[[Any], StepUsage] | None, result: Any) -> StepUsage:
        usage = measure(result) if measure is not None else StepUsage()
        self._budget.add(tokens=usage.tokens_in + usage.tokens_out, cost_usd=usage.cost_usd)
        return usage

    async def _begin(self, intent: _Intent) -> tuple[str, Any]:
        e = self.execution
        row = await self._statements.begin_step(
            tenant=e.tenant_id,
            execution=str(e.id),
            attempt=e.attempt,
            key=intent.key,
            kind=intent.kind,
            name=intent.name,
            idempotent=intent.idempotent,
            mark=intent.mark,
            input=to_jsonable_python(intent.trace_input),
        )
        if row["verdict"] == "fenced":
            raise LostClaimError(f"another worker took over execution {e.id}")
        if row["verdict"] == "cancelled":
            raise RunCancelledError("Stopped before the next step: cancelled, or the agent is no longer active.")
        return row["verdict"], row["output"]

    async def _end(self, step_key: str, state: StepState, output: Any, error: str | None, usage: StepUsage) -> None:
        e = self.execution
        row = await self._statements.end_step(
            tenant=e.tenant_id,
            execution=str(e.id),
            attempt=e.attempt,
            key=step_key,
            state=state,
            output=output,
            error=error,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            # As text: JSON has no decimals, and a float would round the price.
            cost=None if usage.cost_usd is None else str(usage.cost_usd),
        )
        # The effect is done but another worker owns the run. It finds the step begun, and settles it as a write in
        # doubt.
        if not row["kept"]:
            raise LostClaimError(f"another worker took over execution {e.id}")
        self._open_writes.discard(step_key)


# What a step's body may fail with in the ordinary course (the agent library's own errors are RuntimeErrors); anything
# else is a bug. All of them are passed on to the runner, which decides.
FAILURES = (DeskhandError, RuntimeError, ValueError)


def _surely_not_done(error: Exception) -> bool:
    return isinstance(error, DeskhandError) and error.certainly_not_done


def describe(error: Exception) -> str:
    """One line for the trace: an error's own sentence, or its type where it has none."""
    return str(error) or type(error).__name__
