"""Variables of a prompt: which there are, which are meant, and the prompt with their values. Pure.

A value is put in once and is not read again, so a ticket's words cannot name a variable of their own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

TICKET_FIELDS = (
    *("id", "number", "desk", "subject", "description", "status", "priority", "category", "requester", "assignee"),
    *("group", "created_at", "updated_at", "url"),
)
VARIABLES = (
    *("tenant_name", "agent_name", "current_date", "tools"),
    *(f"ticket.{name}" for name in TICKET_FIELDS),
)
_VARIABLE = re.compile(r"\{\{\s*+([^{}\n]{0,100}?)\s*\}\}")
_VALUE_LIMIT = 4_000


def unknown_variables(prompt: str) -> list[str]:
    """What stands in double braces and is no variable, each once, in order."""
    named = dict.fromkeys(match[1] for match in _VARIABLE.finditer(prompt))
    return [name for name in named if name not in VARIABLES]


def check_prompt(prompt: str) -> str:
    """The prompt, if every variable in it is known.

    Raises:
        ValueError: Names what is not, with the nearest ones.
    """
    unknown = unknown_variables(prompt)
    if not unknown:
        return prompt
    matches = [match for name in unknown for match in difflib.get_close_matches(name, VARIABLES, n=2, cutoff=0.5)]
    hint = f"Closest: {', '.join(dict.fromkeys(matches))}." if matches else f"There are: {', '.join(VARIABLES)}."
    listed = ", ".join(f"{{{{{name}}}}}" for name in unknown[:5])
    raise ValueError(f"has no variable {listed}. {hint}")


def render(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with its variables filled in; one without a value (a run without a ticket) becomes empty.

    What is no variable stays as it is: prompts that were saved before there were variables may hold anything.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in VARIABLES:
            return match[0]
        return _within_limit(values.get(name, "")) if name.startswith("ticket.") else values.get(name, "")

    return _VARIABLE.sub(value, prompt)


def _within_limit(text: str) -> str:
    """A stranger's text must not fill the model's window; what is missing is counted."""
    missing = len(text) - _VALUE_LIMIT
    return text if missing <= 0 else f"{text[:_VALUE_LIMIT].rstrip()} … ({missing} more characters)"
