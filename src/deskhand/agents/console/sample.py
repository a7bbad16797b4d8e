"""An agent's prompt as a model would read it, for a ticket that stands for any. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deskhand.agents.prompts import TICKET_FIELDS, check_prompt, render
from deskhand.agents.schemas import PROMPT_LENGTH
from deskhand.llm.catalogue import BYTES_PER_TOKEN

_TICKET: Mapping[str, str] = {
    "id": "1042",
    "number": "INC-1042",
    "desk": "the desk",
    "subject": "Printer on floor 3 does not answer",
    "description": "Since this morning nobody on floor 3 can print. The display says: no connection.",
    "status": "Open",
    "priority": "High",
    "category": "Hardware",
    "requester": "Alex Example",
    "assignee": "",
    "group": "Workplace",
    "created_at": "2026-05-04T09:00:00+00:00",
    "updated_at": "2026-05-04T09:05:00+00:00",
    "url": "https://desk.example.com/tickets/1042",
}
VARIABLE_WORDS: Mapping[str, str] = {
    "tenant_name": "your organisation's name",
    "agent_name": "this agent's name",
    "current_date": "the day of the run",
    "tools": "the tools it is granted, with what each does",
    **{f"ticket.{name}": f"the ticket's {name.replace('_', ' ')}" for name in TICKET_FIELDS},
}
"""What each variable of a prompt stands for."""


def sample_prompt(prompt: str, *, agent_name: str, tenant_name: str, today: datetime) -> str:
    """The prompt with the values of an example; what is no variable stays as it is."""
    values = {
        "tenant_name": tenant_name,
        "agent_name": agent_name,
        "current_date": today.date().isoformat(),
        "tools": "(the tools it is granted, one a line)",
        **{f"ticket.{name}": value for name, value in _TICKET.items()},
    }
    return render(prompt, values)


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt that is being written, as a model would read it.

    Attributes:
        tokens: How many it takes, roughly.
        fault: What is in double braces and is no variable.
    """

    text: str
    tokens: int
    fault: str


def preview(prompt: str, *, agent_name: str, tenant_name: str, today: datetime) -> Preview:
    """What a prompt becomes for an example of a ticket, and what is wrong with it."""
    if len(prompt) > PROMPT_LENGTH[1]:
        return Preview("", 0, f"The prompt is longer than {PROMPT_LENGTH[1]:,} characters.")
    text = sample_prompt(prompt, agent_name=agent_name, tenant_name=tenant_name, today=today)
    try:
        check_prompt(prompt)
        fault = ""
    except ValueError as error:  # shown beside the preview, as the page shows it when it is saved
        fault = f"The prompt {error}"
    return Preview(text, len(text.encode()) // BYTES_PER_TOKEN, fault)
