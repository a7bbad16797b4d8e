"""Carries an agent run over a crash: every model and tool call goes through a journal of steps.

Built on the public durability surface of pydantic-ai 2.68 (``pydantic_ai.durable_exec``). This
module knows no database: whoever runs an agent brings a ``StepJournal`` (the worker's lives in
PostgreSQL, the tests' in memory) and gives it to the agent as ``JournalDurability(journal, run_id)``.

A step is recorded *started* before its effect and *finished* after it. On resume a finished step is
answered from the journal. A step found started but unfinished is repeated if it is ``idempotent``;
if it is not, its outcome is in doubt and the journal says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, TypedDict, cast

from pydantic_ai import RunContext
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperationId,
    JournalCallableOperationBackend,
    ModelRequestId,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
    conversation_id_from_run_id,
)
from pydantic_ai.messages import ModelMessage, ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.toolsets import ToolsetTool

from deskhand.kit.masking.masker import Masker
from deskhand.kit.purse import Purse
from deskhand.kit.usage import StepUsage
from deskhand.llm.masked import shown_to_model
from deskhand.llm.places import Place

SENT_TO, MASKED = "sent_to", "masked"
"""In the input of a model's step: where the question may go, and how many values of each kind it is without."""
StepKind = Literal["model", "tool", "write", "compute"]
Body = Callable[[], Awaitable[Any]]


class StepJournal(Protocol):
    """One execution's journal, as one owner (one fencing token) sees it."""

    @property
    def purse(self) -> Purse | None:
        """What the run's model calls are paid from; None pays for nothing."""
        ...

    async def step(
        self,
        *,
        name: str,
        key: str | None,
        kind: StepKind,
        body: Body,
        idempotent: bool = True,
        input: Any = None,  # noqa: A002 - the column it is stored in is called so
        measure: Callable[[Any], StepUsage] | None = None,
    ) -> Any:
        """Run ``body`` once, or answer from the journal.

        Args:
            name: What the step is called in the trace.
            key: Unique within the execution and the same after a crash; None numbers the calls of one name.
            kind: Which column of the trace it belongs to.
            body: The effect; returns something JSON can hold.
            idempotent: Whether repeating an interrupted attempt is harmless.
            input: What the step was asked to do, for the trace; JSON.
            measure: Reads tokens and cost from the body's output.

        Returns:
            The output, as JSON gives it back.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sending:
    """What becomes of the questions to a model.

    Attributes:
        masker: What keeps values from it, and so from the trace of what it was asked.
        places: Where they may go.
    """

    masker: Masker | None = None
    places: tuple[Place, ...] = ()


class ToolJournalConfig(TypedDict, total=False):
    """Per-tool policy, under the metadata key ``journal``."""

    keeps_own_steps: bool
    kind: StepKind
    idempotent: bool


# Context-local, because the calls of one response run side by side, each in a task of its own.
_in_step: ContextVar[bool] = ContextVar("deskhand_in_step", default=False)


class _Backend(JournalCallableOperationBackend[ToolJournalConfig]):
    """Turns each durable operation of pydantic-ai into one step of a journal."""

    def __init__(self, journal: StepJournal, sending: Sending, **more: Any) -> None:
        super().__init__(**more)
        self._journal = journal
        self._sending = sending

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: ToolJournalConfig,
    ) -> object:
        run_body = _marked(body)
        # A desk's tool writes its own steps, with a mark and a question for the desk; a second step around them would
        # put the whole call in doubt after a crash.
        if isinstance(operation_id, ToolsetCallToolId) and config.get("keeps_own_steps"):
            return await run_body()
        if isinstance(operation_id, ToolsetCallToolId):
            return await self._tool_step(run_body, cache_key, config)
        if isinstance(operation_id, ModelRequestId):
            return await self._journal.step(
                name="model",
                key=None,
                kind="model",
                body=run_body,
                input=_model_input(operation_id.model_name, cache_key, self._sending),
                measure=measure_response,
            )
        return await self._journal.step(name=name, key=None, kind="compute", body=run_body)

    async def _tool_step(self, body: Body, cache_key: tuple[object, ...], config: ToolJournalConfig) -> object:
        # The call's id is the same after a crash, because the response it stands in is journaled, and no other call of
        # the run has it: see llm.calls.
        tool_name = next(part for part in cache_key if isinstance(part, str))
        args = next(cast("dict[str, Any]", part) for part in cache_key if isinstance(part, dict))
        ctx = next(part for part in cache_key if isinstance(part, RunContext))
        return await self._journal.step(
            name=tool_name,
            key=f"{tool_name}:{ctx.tool_call_id}",
            kind=config.get("kind", "tool"),
            body=body,
            idempotent=config.get("idempotent", True),
            input=args,
        )


def _marked(body: Callable[[], Awaitable[object]]) -> Body:
    """A step inside a step is part of it, not a step of its own."""

    async def run() -> object:
        token = _in_step.set(True)
        try:
            return await body()
        finally:
            _in_step.reset(token)

    return run


def measure_response(payload: Any) -> StepUsage:
    """Tokens and cost of a journaled model response (pydantic-ai's JSON form of ``ModelResponse``)."""
    usage = payload.get("usage") or {}
    # The price stands in the provider's details, the one part of a ModelResponse that is ours to fill, because
    # pydantic-ai's JSON form of it has no place for a price.
    cost = (payload.get("provider_details") or {}).get("cost_usd")
    return StepUsage(
        tokens_in=int(usage.get("input_tokens") or 0),
        tokens_out=int(usage.get("output_tokens") or 0),
        cost_usd=None if cost is None else Decimal(str(cost)),
        model=payload.get("model_name") or None,
        moved_on=tuple(str(one["reason"]) for one in (payload.get("provider_details") or {}).get("fallbacks") or ()),
    )


def _model_input(model_name: str, cache_key: tuple[object, ...], sending: Sending) -> dict[str, Any]:
    messages = next((cast("list[ModelMessage]", part) for part in cache_key if isinstance(part, list)), [])
    counts: dict[str, int] = {}
    if sending.masker is not None:
        # As it leaves, so that people see what the model saw.
        shown_to_it = shown_to_model(messages, ModelRequestParameters(), sending.masker)
        messages, counts = shown_to_it.messages, shown_to_it.counts
    shown: dict[str, Any] = {"model": model_name, "messages": len(messages)}
    # Before it leaves: of a call that never came back people must know, too.
    shown |= {SENT_TO: [place.as_kept() for place in sending.places]} if sending.places else {}
    shown |= {MASKED: counts} if counts else {}
    first = messages[0] if messages else None
    # The first request alone is shown in full: each later one repeats it, and would fill the trace with the same text.
    if len(messages) == 1 and isinstance(first, ModelRequest):
        shown["instructions"] = first.instructions
        shown["prompt"] = "\n".join(str(part.content) for part in first.parts if isinstance(part, UserPromptPart))
    return shown


class JournalDurability(BaseDurabilityCapability[Any]):
    """The capability that carries one agent run through a journal.

    Args:
        journal: Where the steps are recorded.
        run_id: Names the run inside messages; the execution's id, so that a resumed run keeps it.
        sending: What is kept back, and where the rest goes.
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="StepJournal",
        durable_unit_noun="step",
        durable_container_noun="execution",
        codec=JSON_CODEC,
        tool_config_key="journal",
    )

    def __init__(self, journal: StepJournal, run_id: str, sending: Sending | None = None) -> None:
        super().__init__()
        self._journal = journal
        self._sending = sending or Sending()
        self._run_id = run_id

    @property
    def in_durable_context(self) -> bool:
        # pydantic-ai asks this before each operation: within a step of ours it calls directly instead of making another
        # step.
        return not _in_step.get()

    def get_default_run_id(self) -> str | None:
        return self._run_id

    def get_default_conversation_id(self, run_id: str) -> str | None:
        return conversation_id_from_run_id(run_id)

    def get_durable_operation_backend(self) -> _Backend:
        plain: ToolJournalConfig = {}
        return _Backend(
            self._journal,
            self._sending,
            agent_name=str(self.name),
            config=RoleBasedOperationConfig(
                model=plain, event=plain, capability=plain, tool=plain, resolve_tool=_tool_config
            ),
        )


def _tool_config(_operation: DurableOperationId, tool: object | None, _name: str) -> ToolJournalConfig:
    metadata = tool.tool_def.metadata if isinstance(tool, ToolsetTool) else None
    return cast("ToolJournalConfig", (metadata or {}).get("journal", {}))
