"""How much meaning should count beside words: fitted on each labelled set, judged on the others.

The product weighs a cosine and a share of words (``knowledge.ranking``). Only the ratio of the two coefficients changes
an order, so only that is fitted here, by the likelihood of the labelled answers among all documents of their query.
Scale and intercept, which make a score a probability, are fitted in ``scores.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RATIOS = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0, 30.0, 40.0, 60.0)
_SCALES = np.geomspace(1.0, 60.0, 25)

Pair = tuple[float, float, bool]
Asked = Sequence[Pair]
"""Of each document: cosine, share of words, and whether it answers the query."""


def best_ratio(queries: Sequence[Asked]) -> float:
    """The ratio under which the answers are likeliest."""
    arrays = [_arrays(one) for one in queries]
    found = [(max(_likelihood(arrays, ratio, scale) for scale in _SCALES), -ratio) for ratio in RATIOS]
    return -max(found)[1]


def reciprocal_rank(queries: Sequence[Asked], ratio: float) -> float:
    """The mean of one by the place of the first answer."""
    ranks = []
    for cosine, words, truth in map(_arrays, queries):
        order = np.argsort(-(ratio * cosine + words), kind="stable")
        ranks.append(1.0 / (1 + int(np.argmax(truth[order]))))
    return float(np.mean(ranks))


def print_weights(sets: Mapping[str, Sequence[Asked]], now: Mapping[str, float]) -> None:
    """Print the best ratio of each set, and what it and today's do on the others.

    Args:
        sets: Queries of each set, by its name.
        now: Today's ratio of each set's kind.
    """
    print(f"\n{'fitted on':24} ratio   MRR of the others with it; with today's (held out, so neither has seen them)")
    for name, queries in sets.items():
        ratio = best_ratio(queries)
        others = [
            f"{other} {reciprocal_rank(rest, ratio):.3f}; {reciprocal_rank(rest, now[other]):.3f}"
            for other, rest in sets.items()
            if other != name and now[other] == now[name]
        ]
        print(f"{name:24} {ratio:5.0f}   {',  '.join(others)}")


def _arrays(pairs: Asked) -> tuple[Array, Array, Array]:
    cosine, words, truth = zip(*pairs, strict=True)
    return np.array(cosine), np.array(words), np.array(truth, dtype=bool)


def _likelihood(arrays: Sequence[tuple[Array, Array, Array]], ratio: float, scale: float) -> float:
    total = 0.0
    for cosine, words, truth in arrays:
        scores = scale * (ratio * cosine + words)
        scores -= np.max(scores)
        total += float((scores - np.log(np.exp(scores).sum()))[truth].mean())
    return total
