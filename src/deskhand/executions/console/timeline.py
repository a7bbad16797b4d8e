"""Where each step lies in its run, as shares of the whole, and what it is about in a few words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.executions.schemas import ExecutionDetail, StepView
from deskhand.plugins.contract import Access, Operation
from deskhand.ui.format import label

KIND_WORDS = {"model": "Model call", "tool": "Tool call", "write": "Write to the desk", "compute": "Computation"}
STATE_WORDS = {"started": "running", "finished": "done", "failed": "failed", "in_doubt": "in doubt"}
SMALLEST_SHARE = 0.6  # per cent; anything shorter would not be seen
_TELLING = ("query", "subject", "ticket_id", "model", "ref", "text")
_LENGTH = 90
_SHOWN_APART = frozenset({"public", "target"})
WRITES = frozenset(operation.value for operation in Operation if operation.access is Access.WRITE)
EFFECTS = WRITES | {"reply", "ask_requester", "send_mail"}
"""Names of steps that write, as the trace has them: a reply is a note that the requester reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStep:
    """One step as the page draws it.

    Attributes:
        number: From 1, in order.
        offset: Per cent of the attempt's time before it began.
        share: Per cent of the attempt's time it took.
        hint: What it was about, from its input; empty if nothing short says so.
        name: What it did, in words; of a dry run, what it would have done.
        intent: A write that a dry run did not make.
        text: What a write says, Markdown; None where it says nothing.
        where: The ticket of a write that is not on the run's own; empty where it is.
        sets: What a write sets besides, name by name.
        replayed: It was finished by an earlier attempt and only read back by the latest.
    """

    number: int
    step: StepView
    kind: str
    state: str
    offset: float
    share: float
    hint: str
    name: str
    intent: bool
    text: str | None
    where: str
    sets: tuple[tuple[str, Any], ...]
    replayed: bool


def lay_out(execution: ExecutionDetail, *, now: datetime) -> list[TimelineStep]:
    """Place a run's steps on one line of time, attempt by attempt.

    Args:
        execution: The run.
        now: End of what is still going on.
    """
    spans = _spans(execution.steps, now)
    placed = []
    for number, step in enumerate(execution.steps, start=1):
        start, end = spans[step.attempt]
        # Each attempt has a line of its own: hours between two attempts would make every step a dot.
        whole = max((end - start).total_seconds(), 0.001)
        # Never quite at the end, where a short step would have no place left to be seen in.
        offset = min(100 - SMALLEST_SHARE, 100 * (step.started_at - start).total_seconds() / whole)
        took = ((step.finished_at or min(now, end)) - step.started_at).total_seconds()
        intent = execution.mode == "dry_run" and _is_effect(step)
        placed.append(
            TimelineStep(
                number=number,
                step=step,
                kind="Not written" if intent else KIND_WORDS[step.kind],
                state=STATE_WORDS[step.state],
                offset=round(max(0.0, offset), 2),
                share=round(min(max(SMALLEST_SHARE, 100 * took / whole), 100 - offset), 2),
                hint=hint(step.input),
                name=label(f"would_{step.name}" if intent else step.name),
                intent=intent,
                text=_text_of(step),
                where=_where(step),
                sets=_sets(step),
                replayed=step.state == "finished" and step.attempt < execution.attempt,
            )
        )
    return placed


def done_before(steps: Sequence[StepView]) -> str:
    """What a run had done when it was stopped, and above all what it had written, in a sentence or two."""
    done = [step for step in steps if step.state == "finished"]
    written = [label(step.name) for step in done if step.kind == "write"]
    unsure = [label(step.name) for step in steps if step.kind == "write" and step.state in ("started", "in_doubt")]
    sentences = [f"Done before that: {', '.join(label(step.name) for step in done)}." if done else "Nothing was done."]
    if written:
        sentences.append(f"Written to the desk: {', '.join(written)}.")
    if unsure:
        sentences.append(f"Whether it was written is not known: {', '.join(unsure)}.")
    if done and not written and not unsure:
        sentences.append("Nothing was written to the desk.")
    return " ".join(sentences)


def _is_effect(step: StepView) -> bool:
    # What a tenant's own tools are called is theirs to say; what one of them was to do leaves an intent in a dry run.
    return step.name in EFFECTS or (isinstance(step.output, dict) and "intent" in step.output)


def _text_of(step: StepView) -> str | None:
    if not _is_effect(step) or not isinstance(step.input, dict):
        return None
    body = step.input.get("body")
    return body if isinstance(body, str) else None


def _where(step: StepView) -> str:
    target = step.input.get("target") if isinstance(step.input, dict) else None
    if not isinstance(target, str):
        return ""
    desk, _, ticket = target.partition("/")
    return f"ticket {ticket} of {label(desk)}" if ticket else f"a new ticket of {label(desk)}"


def _sets(step: StepView) -> tuple[tuple[str, Any], ...]:
    if not _is_effect(step) or not isinstance(step.input, dict):
        return ()
    # A call of a tenant's own tool may have a body that is no text, and is shown nowhere else.
    apart = _SHOWN_APART | ({"body"} if isinstance(step.input.get("body"), str) else set())
    return tuple((name, value) for name, value in step.input.items() if name not in apart and value is not None)


def _spans(steps: list[StepView], now: datetime) -> dict[int, tuple[datetime, datetime]]:
    spans: dict[int, tuple[datetime, datetime]] = {}
    for step in steps:
        # A step in doubt has no end that anybody knows; drawn up to now, it would seem to be at work.
        end = step.finished_at or (now if step.state == "started" else step.started_at)
        first, last = spans.get(step.attempt, (step.started_at, end))
        spans[step.attempt] = (min(first, step.started_at), max(last, end))
    return spans


def hint(step_input: Any) -> str:
    """A few words of a step's input that say what it was about."""
    if not isinstance(step_input, dict):
        return _short(step_input) if isinstance(step_input, str) else ""
    for key in _TELLING:
        value = step_input.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return _short(str(value))
    # The trace of a refused call holds what the model asked for one level down.
    nested = step_input.get("args") or step_input.get("arguments")
    return hint(nested) if isinstance(nested, dict) else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else line[: _LENGTH - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
