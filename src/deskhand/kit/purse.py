"""Where a model's calls are paid from: the word that the model layer uses for it, so that it knows no budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol
from uuid import UUID


class Purse(Protocol):
    """The money of one run."""

    async def reserve(self, *, model: str, most_usd: Decimal | None, tokens: int, seconds: float) -> UUID | None:
        """Set aside what a call may cost.

        Args:
            model: The model's name.
            most_usd: What the call costs at most; None where nobody knows the model's price.
            tokens: Input and output at most.
            seconds: How long the call may take.

        Returns:
            The reservation; None where no budget pays.

        Raises:
            ModelError: The money is not there; the call must not be made.
        """
        ...

    async def settle(
        self, reservation: UUID, *, cost_usd: Decimal | None, tokens_in: int, tokens_out: int, call_id: str | None
    ) -> None:
        """Pay what a call cost. No cost and no tokens: nobody knows what it was, so what was set aside is paid.

        ``call_id`` is what its gateway calls it, by which a later figure finds it.
        """
        ...

    async def release(self, reservation: UUID) -> None:
        """Put back what was set aside for a call that cost nothing."""
        ...
