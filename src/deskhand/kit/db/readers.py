"""For whom a session looks something up: for the house, or for words that go outside.

A note for technicians may rest on everything; an answer that a requester reads rests on what is public alone. So
a run's look-ups say for whom they are, and restrictive policies let them see no more, whatever query somebody writes.
It only narrows what the tenant's policies show already, and needs no proof: a session that says nothing is people's,
who look after the articles themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

READERS_SETTING = "app.readers"


class Readers(StrEnum):
    """Who reads what comes of a look-up."""

    HOUSE = "house"
    OUTSIDE = "outside"


_INSIDE = f"COALESCE((SELECT current_setting('{READERS_SETTING}', true)), '') = ANY (ARRAY['', 'house'])"

READERS_CONDITIONS: Mapping[str, str] = {
    "knowledge_articles": f"audience = 'public' OR ({_INSIDE} AND (audience = 'internal'"
    f" OR COALESCE((SELECT current_setting('{READERS_SETTING}', true)), '') = ''))",
    "ticket_history": _INSIDE,
    "system_inventory": _INSIDE,
}
"""By table, what its policy says; `deskhand doctor` compares it with the catalog."""
