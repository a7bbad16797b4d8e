"""Vectors that are kept between runs of a benchmark: on one slow core they are nearly all of its time."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deskhand.knowledge.embedding import Embedder

_BATCH = 32


class KeptVectors:
    """An embedder that asks another one for what it has not seen, and keeps the answers in a file.

    Args:
        embedder: Who makes them.
        folder: Where they are kept; made where it is missing.
    """

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = embedder.name
        self.made = 0
        self._embedder = embedder
        # An import embeds in a thread of its own; the calls of one benchmark do not overlap.
        self._kept = sqlite3.connect(folder / "vectors.sqlite", check_same_thread=False, isolation_level=None)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        """One vector per text, in order."""
        for start in range(0, len(texts), _BATCH):
            self._make([text for text in dict.fromkeys(texts[start : start + _BATCH]) if self._read(text) is None])
        return [self._read(text) for text in texts]

    def _make(self, texts: Sequence[str]) -> None:
        for text, vector in zip(texts, self._embedder.embed(texts), strict=True):
            if vector is not None:
                made = np.asarray(vector, dtype=np.float32).tobytes()
                self._kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (self._key(text), made))
                self.made += 1

    def _read(self, text: str) -> list[float] | None:
        row = self._kept.execute("SELECT vector FROM vectors WHERE key = ?", (self._key(text),)).fetchone()
        return None if row is None else [float(value) for value in np.frombuffer(row[0], dtype=np.float32)]

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.name}\0{text}".encode(errors="surrogatepass")).digest()
