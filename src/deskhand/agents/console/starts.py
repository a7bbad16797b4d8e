"""What starts an agent, as a form: what stands in its boxes, and the list of triggers it amounts to. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from deskhand.agents.models import AgentTrigger
from deskhand.agents.schemas import TriggerType
from deskhand.errors import DeskhandError, FieldProblem, InvalidInputError
from deskhand.kit.schema import StorableText
from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.ui.format import pretty_json

MISFIRES = {
    "latest": "run the newest of them",
    "skip": "run none of them",
    "all": "run every one of them",
}
"""What becomes of the times that were missed while nothing ran."""
HOURS = {
    json.dumps({"hours": "inside"}): "within working time alone",
    json.dumps({"hours": "outside"}): "outside working time alone",
}
"""Which of a schedule's times count, by the event filter that says so."""

_MISSED = ("misfire_policy", "misfire_max_age_seconds")
BOXES = {
    TriggerType.WEBHOOK: ("note_word", "event_filter", "payload_schema", "hmac_secret"),
    TriggerType.SCHEDULE: ("schedule_cron", "schedule_timezone", "event_filter", *_MISSED),
}
_DOCUMENTS = ("event_filter", "payload_schema")
_PAGE_NAMES = {"schedule_cron": "cron", "schedule_timezone": "zone"}


class TriggerForm(BaseModel):
    """What was typed of one trigger; the schema of the API judges it."""

    trigger_type: TriggerType = TriggerType.WEBHOOK
    note_word: StorableText = Field("", max_length=1000)
    event_filter: StorableText = Field("", max_length=100_000)
    payload_schema: StorableText = Field("", max_length=400_000)
    hmac_secret: StorableText = Field("", max_length=2000, repr=False)
    # Named as on the page Schedules, whose preview answers here, too.
    cron: StorableText = Field("", max_length=500)
    zone: StorableText = Field("", max_length=500)
    misfire_policy: StorableText = Field("latest", max_length=100)
    misfire_max_age_seconds: StorableText = Field("3600", max_length=40)

    @classmethod
    def of(cls, trigger: AgentTrigger) -> Self:
        """The form as it stands before anybody typed; a secret is never in it."""
        write = pretty_json if trigger.trigger_type == TriggerType.WEBHOOK else json.dumps
        return cls(
            trigger_type=TriggerType(trigger.trigger_type),
            note_word=trigger.note_word or "",
            event_filter=write(trigger.event_filter) if trigger.event_filter else "",
            payload_schema=pretty_json(trigger.payload_schema) if trigger.payload_schema else "",
            cron=trigger.schedule_cron or "",
            zone=trigger.schedule_timezone,
            misfire_policy=trigger.misfire_policy,
            misfire_max_age_seconds=str(trigger.misfire_max_age_seconds),
        )

    def part(self, index: int) -> dict[str, Any]:
        """The member of ``triggers`` that the boxes amount to; an empty box takes away what was there.

        Raises:
            InvalidInputError: A document in it is no JSON.
        """
        part: dict[str, Any] = {"trigger_type": self.trigger_type.value}
        for name in BOXES[self.trigger_type]:
            typed = getattr(self, _PAGE_NAMES.get(name, name)).strip()
            if name in _DOCUMENTS and typed:
                part[name] = _document(name, typed, index)
            elif name == "misfire_max_age_seconds":
                part[name] = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else typed
            # A zone or a secret that is left empty is not named: the API's own default, and the secret that is there.
            elif typed or name not in ("hmac_secret", "schedule_timezone"):
                part[name] = typed or None
        return part


def with_trigger(triggers: Sequence[AgentTrigger], form: TriggerForm, ident: UUID | None) -> list[dict[str, Any]]:
    """The whole list of triggers, with one changed, or with one more where no id is given.

    Raises:
        InvalidInputError: A document in the form is no JSON.
    """
    ids = [one.id for one in triggers]
    index = len(ids) if ident is None else ids.index(ident)
    part = form.part(index)
    kept = kept_triggers(triggers)
    return [*kept, part] if ident is None else [*kept[:index], {"id": str(ident), **part}, *kept[index + 1 :]]


def kept_triggers(triggers: Sequence[AgentTrigger], *, without: UUID | None = None) -> list[dict[str, Any]]:
    """The triggers as they are, by their ids."""
    return [{"id": str(one.id), "trigger_type": one.trigger_type} for one in triggers if one.id != without]


def faults_by_box(error: DeskhandError | None, index: int) -> dict[str, str]:
    """What is wrong with each box of one trigger."""
    found: dict[str, str] = {}
    for fault in error.errors if isinstance(error, InvalidInputError) else ():
        parts = fault.pointer.split("/")[1:]
        if parts[:2] != ["triggers", str(index)]:
            continue
        name = parts[2] if len(parts) > 2 else _named(fault.detail)
        found.setdefault(_PAGE_NAMES.get(name, name), _placed(parts[3:], fault.detail))
    return {box: found.get(box, "") for box in TriggerForm.model_fields}


def _named(detail: str) -> str:
    """The box that a fault of the whole trigger names at its beginning; else it is about the times."""
    first = detail.partition(" ")[0]
    return first if first in (*BOXES[TriggerType.WEBHOOK], *BOXES[TriggerType.SCHEDULE]) else "schedule_cron"


def _placed(inside: Sequence[str], detail: str) -> str:
    """A fault with its place in the document, where it has one."""
    return f"{'.'.join(inside)}: {detail}" if inside else detail


def _document(name: str, typed: str, index: int) -> Any:
    try:
        return read_json(typed)
    except UnreadableJsonError as error:
        fault = FieldProblem(f"/triggers/{index}/{name}", f"not JSON: {error}")
        raise InvalidInputError(fault.detail, errors=[fault]) from error
