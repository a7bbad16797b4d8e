"""One write of a run on its way to a desk: what it is, how it is made, and how it is found again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.plugins.contract import WriteReceipt
from deskhand.tools.values import ToolOperation
from deskhand.work.approvals import Permit

NEW = "new"
"""Stands for the id of a ticket that is not there yet."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write on its way.

    Attributes:
        permit: A person's yes to it, where it needs one.
        look: Asked inside its step whether it is still to be made.
    """

    operation: ToolOperation
    ticket_id: str
    key: str
    trace: Mapping[str, Any]
    make: Callable[[str], Awaitable[WriteReceipt]]
    find: Callable[[str], Awaitable[WriteReceipt | None]]
    permit: Permit | None = None
    look: Callable[[], Awaitable[None]] | None = None

    @property
    def where(self) -> str:
        """Where a person looks for it."""
        return "the newest tickets" if self.ticket_id == NEW else f"ticket {self.ticket_id}"
