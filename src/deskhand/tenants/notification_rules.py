"""Who in a tenant is told of failures, doubts and budgets unless they choose otherwise, and how often."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from deskhand.access.people.schemas import EmailAddress
from deskhand.kit.cron import ZONE_PATTERN, check_timezone
from deskhand.kit.schema import InputModel
from deskhand.tenants.approval_rules import MOST_CHANNELS, MOST_PEOPLE, NoticeChannel

Zone = Annotated[str, AfterValidator(check_timezone), Field(max_length=64, json_schema_extra={"pattern": ZONE_PATTERN})]


class NotificationRules(InputModel):
    """Who is told of what needs a person, and how often."""

    mail: list[EmailAddress] = Field(
        default_factory=list,
        max_length=MOST_PEOPLE,
        description="Members who are told by mail of everything their role may see, unless they choose otherwise.",
    )
    channels: list[NoticeChannel] = Field(
        default_factory=list, max_length=MOST_CHANNELS, description="Channels that are told everything at once."
    )
    gather_seconds: int = Field(
        60, ge=0, le=3_600, description="Something is told of after so many seconds, with what else has come by then."
    )
    pause_minutes: int = Field(
        10, ge=0, le=1_440, description="Each recipient gets at most one message in so many minutes."
    )
    repeat_minutes: int = Field(
        60, ge=0, le=1_440, description="What has a cause that was told of is told again after so many minutes."
    )
    digest_hour: int = Field(8, ge=0, le=23, description="The hour at which daily digests leave.")
    digest_timezone: Zone = Field("UTC", description="IANA zone of that hour.")


def notification_rules(preferences: dict[str, Any] | None) -> NotificationRules:
    """The rules as they are stored; where an older version stored something else under that name, the usual ones."""
    stored = (preferences or {}).get("notifications")
    try:
        return NotificationRules.model_validate(stored) if isinstance(stored, dict) else NotificationRules()
    except ValidationError:
        return NotificationRules()
