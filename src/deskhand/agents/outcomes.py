"""What a run ends in, chosen per agent; part of its version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from deskhand.agents.prompts import check_prompt
from deskhand.errors import FieldProblem
from deskhand.kit.schema import InputModel
from deskhand.tenants.fields import EMAIL, OUTSIDE, PLACE, SLACK, TEAMS
from deskhand.tenants.mail import MailAddress, MailSettings
from deskhand.tenants.note_rules import NothingFound
from deskhand.tenants.outside import OutsideSettings
from deskhand.tools.mail import MOST_RECIPIENTS, SUBJECT_LIMIT
from deskhand.tools.values import Grants

MOST_CHANNELS = 10
_OPTIONAL = ("mail_to", "chat_to", "on_ticket", "max_age_minutes", "nothing_found")
_OF_NOTES = ("nothing_found", "verdict_link")
CHANNEL = f"^(?:{SLACK}|{TEAMS}):{PLACE.removeprefix('^')}"
"""A channel as an outcome names it: the chat, and the tenant's name of the channel."""


class OutcomeKind(StrEnum):
    """What a run ends in.

    - ``note``: a cited note for the technician, on the ticket that started the run.
    - ``reply``: an answer to the requester.
    - ``fields``: category, priority and group of the ticket.
    - ``report``: free Markdown, kept with the run, and sent where ``mail_to``, ``chat_to`` and ``on_ticket`` say.
    - ``none``: what its tools did, and a sentence about it.
    """

    NOTE = "note"
    REPLY = "reply"
    FIELDS = "fields"
    REPORT = "report"
    NONE = "none"


class Outcome(InputModel):
    """What a run of the agent ends in. A run without a ticket ends in a report, unless it is `none`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "note"},
                {"kind": "report", "mail_to": ["desk-leads@example.com"], "mail_subject": "New on {{current_date}}"},
            ]
        }
    )

    kind: OutcomeKind = OutcomeKind.NOTE
    mail_to: list[MailAddress] = Field(
        default_factory=list,
        max_length=MOST_RECIPIENTS,
        description="Who gets a report by mail; needs `email: [send]`.",
    )
    max_age_minutes: int | None = Field(
        None,
        ge=1,
        le=7 * 24 * 60,
        description="What would be written on the ticket later than this after its event is not; the run says so.",
    )
    mail_subject: Annotated[
        str, StringConstraints(min_length=1, max_length=SUBJECT_LIMIT), AfterValidator(check_prompt)
    ] = Field(
        "{{agent_name}}, {{current_date}}",
        description="Subject of that mail and heading of that message, with the prompt's variables.",
    )

    chat_to: list[Annotated[str, StringConstraints(pattern=CHANNEL)]] = Field(
        default_factory=list,
        max_length=MOST_CHANNELS,
        description="Channels that get a report, such as `slack:leads`; needs `post_message` of that chat.",
    )

    on_ticket: bool = Field(
        False,
        description="Whether a report also goes on the ticket that started the run, as an internal note of at most 500"
        " words; needs `add_note`.",
    )

    nothing_found: NothingFound | None = Field(
        None,
        description="Of a note: whether it is written where it could only say that nothing was found. Left out, the"
        " tenant's preferences decide (`notes.nothing_found`).",
    )

    verdict_link: bool | None = Field(
        None,
        description="Of a note: whether it ends in a link by which its readers say whether it helped. Left out, the"
        " tenant's preferences decide (`notes.verdict_link`).",
    )

    @model_validator(mode="after")
    def _only_a_report_is_sent(self) -> Outcome:
        for name in _OF_NOTES:
            if getattr(self, name) is not None and self.kind is not OutcomeKind.NOTE:
                raise ValueError(f"{name} belongs to the kind 'note', and this is '{self.kind.value}'")
        for name in ("mail_to", "chat_to", "on_ticket"):
            if getattr(self, name) and self.kind is not OutcomeKind.REPORT:
                raise ValueError(f"{name} belongs to the kind 'report', and this is '{self.kind.value}'")
        return self

    @property
    def channels(self) -> Sequence[tuple[str, str]]:
        """Chat and channel of each message; each once."""
        return [(one.partition(":")[0], one.partition(":")[2]) for one in dict.fromkeys(self.chat_to)]

    def as_stored(self) -> dict[str, Any]:
        """What is written to the column; members of mails and messages only where there is one."""
        # Left out, so that a changed default subject makes no new version of agents that send nothing.
        unused = {name for name in _OPTIONAL if not getattr(self, name)}
        # Of this one no is as much said as yes.
        unused |= {"verdict_link"} if self.verdict_link is None else set()
        untitled = {"mail_subject"} if unused >= {"mail_to", "chat_to"} else set()
        return self.model_dump(mode="json", exclude=unused | untitled)


def read_outcome(stored: Mapping[str, Any] | None) -> Outcome:
    """The outcome as a version holds it."""
    return Outcome.model_validate(dict(stored or {}))


def outcome_faults(outcome: Outcome, granted: Mapping[str, Grants]) -> Iterator[FieldProblem]:
    """What the outcome needs and the agent was not granted."""
    operations = {name for grants in granted.values() for name in grants}
    # The outcome writes by the same grants as a tool would: to choose it must not widen what an agent may do.
    needed = {OutcomeKind.REPLY: "reply", OutcomeKind.FIELDS: "update_ticket"}.get(outcome.kind)
    if needed is not None and needed not in operations:
        yield FieldProblem("/outcome/kind", f"'{outcome.kind.value}' needs the grant '{needed}' on a desk")
    if outcome.on_ticket and "add_note" not in operations:
        yield FieldProblem("/outcome/on_ticket", "a report on the ticket needs the grant 'add_note' on a desk")
    if outcome.mail_to and "send" not in granted.get(EMAIL, {}):
        yield FieldProblem("/outcome/mail_to", "mailing a report needs the grant 'send' of the tool 'email'")
    for index, (chat, _) in enumerate(outcome.channels):
        if "post_message" not in granted.get(chat, {}):
            sentence = f"posting a report needs the grant 'post_message' of the tool '{chat}'"
            yield FieldProblem(f"/outcome/chat_to/{index}", sentence)


def mail_missing(outcome: Outcome, tools: Collection[str], settings: MailSettings | None) -> Iterator[FieldProblem]:
    """What keeps an agent that mails from being active."""
    if EMAIL not in tools:
        return
    if settings is None:
        yield FieldProblem("/tool_ids", "the tenant has no mail settings: set connection_extras.email")
        return
    refused = settings.refused(outcome.mail_to)
    if refused:
        yield FieldProblem("/outcome/mail_to", f"the tenant's mail settings do not allow {', '.join(refused)}")


def outside_missing(
    outcome: Outcome, tools: Collection[str], settings: Mapping[str, OutsideSettings]
) -> Iterator[FieldProblem]:
    """What keeps an agent from being active that acts outside its desks."""
    for tool in OUTSIDE:
        if tool in tools and tool not in settings:
            yield FieldProblem("/tool_ids", f"the tenant has no settings of '{tool}': set connection_extras.{tool}")
    for index, (chat, channel) in enumerate(outcome.channels):
        if chat in settings and channel not in settings[chat].places:
            known = ", ".join(settings[chat].places)
            yield FieldProblem(f"/outcome/chat_to/{index}", f"{chat} has no channel '{channel}' here, but: {known}")
