"""How a tenant's people approve what agents ask for, and where they are told that something waits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from deskhand.access.people.schemas import EmailAddress
from deskhand.kit.schema import InputModel
from deskhand.tenants.fields import PLACE

MOST_PEOPLE = 50
MOST_CHANNELS = 10


class NoticeChannel(InputModel):
    """A channel of the tenant's own chat."""

    tool: Literal["slack", "teams"] = Field(description="The chat; it has to be among the tenant's connections.")
    channel: Annotated[str, StringConstraints(pattern=PLACE)] = Field(
        description="The channel, by the name it has in `connection_extras`."
    )


class NoticeRules(InputModel):
    """Where people are told that calls wait, and how often."""

    mail: list[EmailAddress] = Field(
        default_factory=list,
        max_length=MOST_PEOPLE,
        description="Members with the role `operator` or `tenant_admin`; each is told what that role answers.",
    )
    channels: list[NoticeChannel] = Field(
        default_factory=list, max_length=MOST_CHANNELS, description="Channels that are told everything that waits."
    )
    gather_seconds: int = Field(
        60, ge=0, le=3_600, description="A call is told of after so many seconds, with what else has come by then."
    )
    pause_minutes: int = Field(
        10, ge=0, le=1_440, description="Each recipient gets at most one notice in so many minutes; the rest waits."
    )

    @property
    def reach_somebody(self) -> bool:
        """Whether anybody is to be told at all."""
        return bool(self.mail or self.channels)


class ApprovalRules(InputModel):
    """How the tenant's people approve what agents ask for."""

    four_eyes: bool = Field(
        False,
        description="Whoever approves is a person who signed in, and neither started the run, nor wrote the agent's"
        " version, nor changed the arguments.",
    )
    notices: NoticeRules = Field(default_factory=NoticeRules, description="Who is told that calls wait.")


def approval_rules(preferences: dict[str, Any] | None) -> ApprovalRules:
    """The rules as they are stored; where an older version stored something else under that name, the usual ones."""
    stored = (preferences or {}).get("approvals")
    try:
        return ApprovalRules.model_validate(stored) if isinstance(stored, dict) else ApprovalRules()
    except ValidationError:
        # Four eyes are kept though the rest cannot be read: a rule must not go because another one is broken.
        return ApprovalRules(four_eyes=isinstance(stored, dict) and stored.get("four_eyes") is True)
