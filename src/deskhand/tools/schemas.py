"""Shapes of tools and grants over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints
from pydantic.config import JsonDict

from deskhand.connectors.values import OPERATION_NAME
from deskhand.kit.schema import KNOWN, InputModel
from deskhand.tools.values import A_DAY, Doubt, Grant, Kind, Mode, Risk, Scope

Approver = Literal["operator", "tenant_admin"]
LONGEST_WAIT = 30 * A_DAY
TOOL_IDS: JsonDict = {"anyOf": [{KNOWN: "tools"}, {"pattern": "^(openapi|mcp):[a-z][a-z0-9-]{0,19}$"}]}
"""Of a tool: one of the installation's, or one of the tenant's own."""
LONGEST_ANSWER = 30 * 24


class GrantInput(InputModel):
    """How one operation is granted."""

    mode: Mode = Field(
        Mode.ALLOW, description="`allow`: the agent does it by itself. `approve`: a person approves each call first."
    )
    scope: Scope = Field(
        Scope.OWN,
        description="Which tickets it may touch: the one that started the run, those the run found, or any.",
    )
    approver: Approver = Field("operator", description="Of `approve`: the role that somebody needs to answer.")
    wait_minutes: int = Field(
        A_DAY,
        ge=1,
        le=LONGEST_WAIT,
        description="Of `approve`: minutes after which a call that nobody answered is off; of working time, where the"
        " tenant's calendar says `count_waits`.",
    )

    answer_hours: int | None = Field(
        None,
        ge=1,
        le=LONGEST_ANSWER,
        description="Of `ask_requester`: hours after which the run goes on without an answer; left out, two working"
        " days by the tenant's calendar (Monday to Friday, UTC, where there is none). Of working time, where it says"
        " `count_waits`.",
    )

    @property
    def grant(self) -> Grant:
        """The same as a value."""
        if self.mode is not Mode.APPROVE:
            return Grant(self.mode, self.scope, answer_hours=self.answer_hours)
        return Grant(self.mode, self.scope, self.approver, self.wait_minutes, self.answer_hours)


def _as_mapping(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: {} for name in value}
    if isinstance(value, Mapping):
        return {name: {"mode": how} if isinstance(how, str) else how for name, how in value.items()}
    raise ValueError("must be a list of operations, or an object that maps each operation to its grant")


# Which ones there are depends on the tool, which may be the tenant's own: `catalogue.grant_faults` says.
OperationName = Annotated[str, StringConstraints(pattern=f"^[A-Za-z0-9_-]{{1,{OPERATION_NAME}}}$")]
OperationGrants = Annotated[
    dict[OperationName, GrantInput],
    BeforeValidator(_as_mapping, json_schema_input_type=list[str] | dict[str, Mode | GrantInput]),
]
"""Of one tool: a list of operations, which are allowed on the run's own ticket, or operation to mode or grant."""


class GrantView(BaseModel):
    """How one operation is granted."""

    mode: Mode
    scope: Scope


class ApprovedGrantView(GrantView):
    """How one operation is granted that a person approves first."""

    approver: Approver
    wait_minutes: int


class AskingGrantView(GrantView):
    """How asking the requester is granted, where it waits for another time than the default."""

    answer_hours: int


class ApprovedAskingGrantView(ApprovedGrantView):
    """The same, where a person approves the question first."""

    answer_hours: int


AnyGrantView = ApprovedAskingGrantView | AskingGrantView | ApprovedGrantView | GrantView


class OperationView(BaseModel):
    """One thing an agent may be granted."""

    name: str
    description: str
    access: Literal["read", "write"]
    doubt: Doubt = Field(
        description="How it is settled whether it happened, if a worker died over it: done again, the desk is asked for"
        " its mark, or a person is."
    )
    scopes: list[Scope] = Field(description="What a grant may narrow it to; empty: it concerns no single ticket.")
    cost: str = Field(description="What one call costs.")
    risk: Risk = Field(description="Of a write that turns out wrong; whoever approves it reads it.")
    for_model: bool = Field(description="Whether a model may call it; if not, the run itself uses it.")
    arguments: dict[str, Any] = Field(description="JSON schema of its arguments.")
    result: dict[str, Any] = Field(description="JSON schema of what comes back.")


class ToolView(BaseModel):
    """One tool: name it in an agent's `tool_ids`."""

    tool_id: str
    name: str
    kind: Kind
    connected: bool = Field(description="Whether the tenant's agents can use it now.")
    operations: list[OperationView]
