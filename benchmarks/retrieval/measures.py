"""How good a ranking is, with the interval that chance leaves (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

MEASURES = ("recall@5", "MRR", "nDCG@10")
_RESAMPLED = 2000


def measure(ranked: Sequence[str], relevant: AbstractSet[str]) -> tuple[float, ...]:
    """``MEASURES`` of one query."""
    hits = [key in relevant for key in ranked]
    recall = sum(hits[:5]) / len(relevant)
    first = next((1 / place for place, hit in enumerate(hits, start=1) if hit), 0.0)
    gain = sum(1 / math.log2(place + 1) for place, hit in enumerate(hits[:10], start=1) if hit)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(10, len(relevant)) + 1))
    return recall, first, gain / ideal


def interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """Between which the mean of other queries of the same kind would lie, 19 times in 20 (bootstrap)."""
    drawn = np.random.default_rng(seed).integers(0, len(values), size=(_RESAMPLED, len(values)))
    low, high = np.quantile(np.asarray(values)[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
