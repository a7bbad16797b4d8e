"""Vectors whose nearness is said and not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deskhand.knowledge.models import EMBEDDING_DIMENSIONS


def at(cosine: float, *, side: int = 1) -> list[float]:
    """A vector that is so near to ``at(1)``; those of one side are also near to each other."""
    vector = [cosine, *([0.0] * (EMBEDDING_DIMENSIONS - 1))]
    vector[side] = (1 - cosine * cosine) ** 0.5
    return vector


class Meanings:
    """An embedder that knows some words; a text means what the first of them means.

    Args:
        of: What each word means; a text without any is far from all.
    """

    name = "meanings"

    def __init__(self, of: Mapping[str, list[float]]) -> None:
        self._of = of

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        return [next((vector for word, vector in self._of.items() if word in text), at(-1.0)) for text in texts]
