"""Reading a desk's history ticket by ticket, so that one that cannot be read does not cost the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deskhand.plugins.contract import SkippedTicket
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskProtocolError

_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a value of another type or size than was due ends in."""


@contextmanager
def one_ticket(ref: object, skipped: list[SkippedTicket]) -> Iterator[None]:
    """Read one ticket; one that was deleted meanwhile, is forbidden to us or is malformed is noted and left out.

    Args:
        ref: The ticket's id, as far as it is known.
        skipped: Where it is noted.
    """
    name = str(ref or "without an id")[:100]
    try:
        yield
    except (DeskNotFoundError, DeskPermissionError, DeskProtocolError) as error:
        skipped.append(SkippedTicket(ref=name, reason=error.detail))
    except _MALFORMED as error:
        reason = f"the desk sent it in a form that cannot be read ({type(error).__name__}: {error})"
        skipped.append(SkippedTicket(ref=name, reason=reason[:300]))


__all__ = ["one_ticket"]
