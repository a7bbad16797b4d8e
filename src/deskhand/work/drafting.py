"""The words of a note: asked of the model within its share of the run's time, and done without where it is no help.

A note is owed even when the model fails for good. This is the one place that decides it, and it decides by what is
*not* the model's doing: a run that was stopped, a desk that failed, a database that is away. Whatever else goes wrong
while the model is asked (it is slow, down, refused, over budget, loops on tools, answers nonsense, or breaks our
reading of it) leaves the finished research, from which the note is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog
from pydantic_ai.models import Model

from deskhand.engine.claims import RunningExecution
from deskhand.engine.journal import Journal
from deskhand.engine.retry import BASE_DELAY
from deskhand.errors import ConfigurationError, DeskhandError, LimitReachedError, RunInterrupted, UnavailableError
from deskhand.kit.db.away import is_passing, sqlstate
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.mail import MailError, MailInDoubtError
from deskhand.kit.outside import OutsideError, OutsideInDoubtError
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.errors import (
    InvalidOutputError,
    ModelAuthError,
    ModelBadRequestError,
    ModelError,
    ModelQuotaError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, ToolSpec, run_agent
from deskhand.notes.facts import NoteFacts
from deskhand.notes.layout import (
    CheckedDraft,
    ComposedNote,
    check_draft,
    compose_note,
    draft_prompt,
    draft_schema,
    needs_model,
    without_model,
)
from deskhand.plugins.errors import DeskError
from deskhand.work.rooms import room_for
from deskhand.work.toolbox import Toolbox

log = structlog.get_logger(__name__)

PromptFor = Callable[[Sequence[ToolSpec]], str]
NOTE = frozenset({"add_note"})
"""What a run whose outcome is a note does by itself on its own ticket."""

LOOK_AGAIN = (
    "The ticket changed while a person looked at your last answer, so it was not used. Here it is as it is now.\n\n"
)

MODEL_SHARE = 0.75
"""Of a run's time, counted from the event: when the model must be done. The rest is for the note."""
LATE_SHARE = 0.25
"""What the model gets of a run that starts when that time is over, because it waited in a queue."""
SURE_TRIES = 3
"""Tries the model gets however late it is, as long as it does not ask for a longer wait than its share."""

# The first that fits: errors have common ancestors, and the more particular sentence helps more.
_SHORTFALLS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((LimitReachedError,), "the model had not finished when the run reached its limits"),
    ((ModelTimeoutError, TimeoutError), "the model did not answer in time"),
    ((ModelRateLimitedError, ModelUnavailableError), "the model could not be reached"),
    ((ModelQuotaError,), "the model's budget is used up"),
    ((ModelAuthError, ConfigurationError), "the model is not set up so that it can be used"),
    ((InvalidOutputError,), "the model's answers could not be used"),
    ((ModelBadRequestError,), "the model refused the request"),
    ((MailError, OutsideError), "what the model was to use outside the desk could not be reached"),
)

_PASSING = (ModelError, MailError, OutsideError)
"""What another try may mend, and what must not keep the note from its ticket."""


@dataclass(frozen=True, slots=True)
class Share:
    """The model's part of a run's time.

    Attributes:
        deadline: ``time.monotonic()`` at which it must be done.
        retry_until: ``time.monotonic()`` before which another try may begin.
        longest_wait: Seconds that nobody waits longer than for another try, however often it was tried.
    """

    deadline: float
    retry_until: float
    longest_wait: float

    @classmethod
    def of(
        cls, execution: RunningExecution, *, deadline: float, timeout: float, for_people: timedelta = timedelta()
    ) -> Share:
        """The share in one attempt.

        Args:
            execution: The run, with the times of its event and of this start.
            deadline: ``time.monotonic()`` at which the attempt must be over.
            timeout: Seconds of one attempt.
            for_people: How long the run has waited for people.
        """
        # The share counts from the event, not from this start: people wait for the note since they filed the ticket.
        started = deadline - timeout
        waited = max(0.0, (execution.started_at - execution.queued_at - for_people).total_seconds())
        left = MODEL_SHARE * timeout - waited
        return cls(
            deadline=started + max(left, LATE_SHARE * timeout),
            retry_until=started + left,
            longest_wait=LATE_SHARE * timeout,
        )

    def allows_another_try(self, execution: RunningExecution, error: DeskhandError, *, now: float) -> bool:
        """Whether the run is tried again for the model's or a tool's sake, instead of a note without the model."""
        if not error.retryable or execution.attempt >= execution.max_attempts or now >= self.deadline:
            return False
        # The longest wait that retry.decide() could choose, without its jitter; so a try that is allowed here comes in
        # time.
        wait = max(error.retry_after or 0.0, BASE_DELAY * 2 ** (execution.attempt - 1))
        return now + wait < self.retry_until or (execution.attempt < SURE_TRIES and wait <= self.longest_wait)


@dataclass(frozen=True, slots=True)
class Wording:
    """A note, and what the model had to do with it.

    Attributes:
        note: The note.
        facts: What it is made of, with what the model found by itself.
        model_name: The model that was asked, or was to be.
        failure: Why it was no help, for the people who look after it; empty if it answered.
        checked: What of the model's words the note is made of.
        extent: How much of the ticket it was given, in sentences.
    """

    note: ComposedNote
    facts: NoteFacts
    model_name: str
    failure: str = ""
    checked: CheckedDraft = field(default_factory=CheckedDraft)
    extent: tuple[str, ...] = ()


class Drafter:
    """Asks the model of one run.

    Args:
        gateway: How models are reached.
        http: Outbound HTTP.
        journal: Records every call.
        share: The model's part of the run's time.
    """

    def __init__(self, gateway: GatewaySettings, http: HttpClientFactory, journal: Journal, share: Share) -> None:
        self._gateway = gateway
        self._http = http
        self._journal = journal
        self._share = share
        self.deadline = share.deadline

    async def word(
        self, facts: NoteFacts, toolbox: Toolbox, *, llm_config: Mapping[str, Any], prompt: PromptFor, look: int
    ) -> Wording:
        """Make the note of what was found, with the model's words where it has any that may be shown.

        Args:
            facts: What was found.
            toolbox: What the model may do.
            llm_config: Which model.
            prompt: The agent's system prompt, given the tools that the model is offered.
            look: Which look at the ticket this is.

        Raises:
            ModelError: It may pass by itself, and there is time for another try.
            Exception: What was not the model's doing.
        """
        name = str(llm_config.get("model") or llm_config.get("provider") or "")
        try:
            # Built before the facts are worded: the note names the model, and a model that is not set up must still
            # leave a note.
            model = build_model(llm_config, self._gateway, self._http)
        except (ModelError, ConfigurationError) as error:
            return self._done_without(facts, name, error)
        facts = replace(facts, model_label=_label(model))
        # A small model does one thing at a time: every tool call costs it ten seconds, and the note is its one thing.
        # Code has walked the granted reads for it; what is left to it is to choose and to word.
        drives = not isinstance(model, ConstrainedModel)
        tools = toolbox.specs(spoken_for=NOTE) if drives else []
        if not needs_model(facts) and not tools:
            # Without sources a model could only invent; the note says what was looked for and not found.
            return Wording(compose_note(facts, CheckedDraft()), facts, model.model_name)
        room = room_for(llm_config, driven=not drives, max_tokens=self._journal.max_tokens)
        question = draft_prompt(facts, house_rules=prompt(tools), drives=drives, room=room)
        task = AgentTask(
            instructions=question.instructions,
            prompt=LOOK_AGAIN * (look > 1) + question.prompt,
            output_schema=draft_schema(facts, drives=drives),
            tools=tools,
            deadline=self._share.deadline,
            run_id=str(self._journal.execution.id),
            conversation=look,
        )
        answer = await self.ask(task, model)
        if isinstance(answer, Exception):
            return self._done_without(facts, model.model_name, answer)
        # Of a chain, the one that answered.
        facts = replace(facts, model_label=_label(model))
        # Checked against everything the model was shown in this run, since it may cite what its own tools found.
        seen = replace(facts, sources=(*facts.sources, *toolbox.sources.beside(facts.sources)))
        draft = check_draft(answer, seen)
        cited = {step.ref for step in draft.steps} | {ref for section in draft.sections for ref in section.refs}
        known = {source.ref for source in facts.sources}
        # What the model looked at and did not use is not the reader's business.
        facts = replace(facts, sources=tuple(one for one in seen.sources if one.ref in known | cited))
        return Wording(compose_note(facts, draft), facts, model.model_name, checked=draft, extent=question.extent)

    async def ask(self, task: AgentTask, model: Model[Any]) -> dict[str, Any] | Exception:
        """The model's answer, or what kept it from giving one.

        The call runs as a task of its own, because what ended it is to be looked at whatever it is; a cancelled run
        cancels it.
        """
        call = asyncio.create_task(run_agent(task, model, self._journal), name="model")
        try:
            await asyncio.wait({call})
        finally:
            if not call.done():
                # The run was cancelled while it waited. Without this the call would go on, and pay for an answer that
                # nobody reads.
                call.cancel()
                await asyncio.wait({call})
        error = call.exception()
        if error is None:
            return call.result().output
        if not isinstance(error, Exception) or _is_not_the_models(error):
            raise error
        return error

    def _done_without(self, facts: NoteFacts, model_name: str, error: Exception) -> Wording:
        failure = self.give_up(error)
        draft = without_model(facts, shortfall=shortfall(error))
        return Wording(compose_note(facts, draft), facts, model_name, failure, draft)

    def give_up(self, error: Exception) -> str:
        """Why the model was no help, if the run is to go on without it.

        Raises:
            DeskhandError: It may pass by itself, and there is time for another try.
        """
        execution = self._journal.execution
        # A mail server or a chat that is away is waited for as long as the model is: the note is owed all the same.
        if isinstance(error, _PASSING) and self._share.allows_another_try(execution, error, now=time.monotonic()):
            raise error
        known = isinstance(error, (*_PASSING, LimitReachedError, ConfigurationError))
        log.warning("note_without_model", reason=str(error), exc_info=None if known else error)
        return str(error) if known else f"Unexpected {type(error).__name__}."


def _is_not_the_models(error: Exception) -> bool:
    """Whether the run, its desk or its database failed while the model was being asked."""
    # Before the next line, because a limit that is reached is a RunInterrupted too, and costs the run only its model.
    if isinstance(error, (LimitReachedError, ModelError)):
        return False
    # Whether a mail or a message went out is asked of a person at the next try; to end here would leave it open.
    in_doubt = isinstance(error, (MailInDoubtError, OutsideInDoubtError))
    ours = isinstance(error, (RunInterrupted, DeskError, UnavailableError))
    return in_doubt or ours or is_passing(error) or bool(sqlstate(error))


def shortfall(error: Exception) -> str:
    """What a reader of the ticket is told; hosts, keys and a vendor's words are for the run's page alone."""
    return next((words for classes, words in _SHORTFALLS if isinstance(error, classes)), "the model was no help")


def _label(model: Model[Any]) -> str:
    return f"{model.model_name} (embedded model)" if isinstance(model, ConstrainedModel) else model.model_name
