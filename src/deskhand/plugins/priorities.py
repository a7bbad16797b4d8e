"""Our four priorities to a desk's words and back, with the tenant's own mapping on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Priority = Literal["critical", "high", "medium", "low"]
PRIORITIES: tuple[str, ...] = get_args(Priority)


class PriorityMap:
    """Two-way translation.

    Args:
        defaults: Our four priorities to the desk's stock words.
        tenant: The tenant's ``priority_mapping``; wins where it says something.
        synonyms: Further desk words (lower case) to one of ours, for reading only.
    """

    def __init__(
        self, defaults: Mapping[str, str], tenant: Mapping[str, str], synonyms: Mapping[str, str] | None = None
    ) -> None:
        self._to_desk = {**defaults, **{ours.casefold(): word for ours, word in tenant.items()}}
        self._from_desk = {
            **{ours: ours for ours in PRIORITIES},
            **(synonyms or {}),
            **{word.casefold(): ours for ours, word in defaults.items()},
            # Last, and so over the others: a tenant may use a stock word in another meaning.
            **{word.casefold(): ours.casefold() for ours, word in tenant.items()},
        }

    def to_desk(self, priority: str) -> str:
        """The desk's word; a word that is none of our four is taken to be the desk's own."""
        return self._to_desk.get(priority.casefold(), priority)

    def from_desk(self, word: str | None) -> str | None:
        """One of our four, or None for a word nobody mapped."""
        return self._from_desk.get(word.casefold()) if word else None
