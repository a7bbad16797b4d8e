"""What goes with a model's response into the journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def details(cost: Decimal | None, **more: str | None) -> dict[str, Any]:
    """What goes with a response into the journal; the cost as text, because money is never a float."""
    out: dict[str, Any] = {key: value for key, value in more.items() if value}
    if cost is not None:
        out["cost_usd"] = format(cost, "f")
    return out
