"""Whether the account of a connection is a person's: told from what the desk shows of it, and warned about."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime

from deskhand.plugins.errors import DeskError

_ADVICE = (
    "Give Deskhand an account of its own: what a person writes with this one is taken for ours, and the connection ends"
    " with their job."
)


def warnings_about(name: str, *, open_tickets: int = 0, signed_in: datetime | None = None) -> tuple[str, ...]:
    """What speaks for it that an account is a person's, as one warning; none where nothing does.

    Args:
        name: What the desk calls the account.
        open_tickets: Tickets that are assigned to it and not closed.
        signed_in: When somebody last signed in with it by hand.
    """
    tickets = f"{open_tickets} open ticket{'s are' if open_tickets > 1 else ' is'} assigned to it"
    signs = [tickets] if open_tickets else []
    if signed_in is not None:
        signs.append(f"somebody signed in with it on {signed_in:%Y-%m-%d}")
    return (f"'{name}' looks like a person's account: {' and '.join(signs)}. {_ADVICE}",) if signs else ()


async def number_of(asked: Awaitable[int]) -> int:
    """How many there are, 0 where the desk does not say: a connection works without that answer."""
    try:
        return await asked
    except DeskError:
        return 0
