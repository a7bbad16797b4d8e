"""How much of a ticket and its sources a model is shown: by its context window and the run's own limit of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.llm.catalogue import BYTES_PER_TOKEN, prompt_window
from deskhand.notes.reading import SMALL, Room

UNKNOWN_WINDOW = 8_000
"""Tokens of a model that no catalogue knows: less than any that gateways offer today."""
_OF_WINDOW = 0.4
_OF_RUN = 0.2
"""A model that calls tools is sent the ticket again with each call."""
_MEDIUM = 16_000


def room_for(llm_config: Mapping[str, Any], *, driven: bool, max_tokens: int) -> Room:
    """What an agent's model has room for.

    Args:
        llm_config: Of the agent.
        driven: It is a small model that fills a schema.
        max_tokens: Of the run, input and output together.
    """
    if driven:
        return SMALL
    name = str(llm_config.get("model") or llm_config.get("provider") or "")
    window = prompt_window(name) or UNKNOWN_WINDOW
    ticket = int(min(window * _OF_WINDOW, max_tokens * _OF_RUN)) * BYTES_PER_TOKEN
    if window < _MEDIUM:
        return Room(ticket=ticket, problem=60, solution=150, step=40, article=200)
    return Room(ticket=ticket)
