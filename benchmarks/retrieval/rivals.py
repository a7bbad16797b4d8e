"""What the product's search is compared with: BM25, PostgreSQL's full text, vectors alone, and two of them fused.

Each ranks the same documents for the same queries. None is handicapped: BM25 and full text get the stemmer of the
documents' language where there is one, and Chinese and Japanese in pairs of characters.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
import numpy as np
from benchmarks.retrieval.sets import Asked, LabelledSet

from deskhand.knowledge.embedding import Embedder, article_text, ticket_text

DEPTH = 50
"""Hits that are looked at."""
_FUSED = 60
"""The constant of reciprocal rank fusion, as its authors have it."""

_SNOWBALL = {"en": "english", "de": "german", "es": "spanish", "fr": "french", "pt_BR": "portuguese", "ru": "russian"}
_WORD = re.compile(r"\w+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


class Rival(Protocol):
    """Ranks one set's documents."""

    name: str

    async def rank(self, asked: Asked) -> list[str]:
        """Keys of documents, the best first."""


class Bm25:
    """``bm25s`` as Lucene scores, with Snowball's stemmer."""

    name = "BM25"

    def __init__(self, one: LabelledSet) -> None:
        self._keys = [row[one.key] for row in one.rows]
        language = _SNOWBALL.get(one.language)
        self._stemmer = importlib.import_module("Stemmer").Stemmer(language) if language else None
        self._index = importlib.import_module("bm25s").BM25(method="lucene")
        self._index.index([self._words(text) for text in one.texts()], show_progress=False)

    @staticmethod
    def is_there() -> bool:
        return all(map(importlib.util.find_spec, ("bm25s", "Stemmer")))

    async def rank(self, asked: Asked) -> list[str]:
        known = [word for word in self._words(asked.text) if word in self._index.vocab_dict]
        scores = self._index.get_scores(known) if known else np.zeros(len(self._keys))
        return best(self._keys, scores, asked.itself)

    def _words(self, text: str) -> list[str]:
        words = [part for word in _WORD.findall(text.lower()) for part in _pairs(word)]
        return self._stemmer.stemWords(words) if self._stemmer else words


class Vectors:
    """The product's own vectors and nothing else."""

    name = "vectors alone"

    def __init__(self, one: LabelledSet, embedder: Embedder) -> None:
        self._keys = [row[one.key] for row in one.rows]
        self._embedder = embedder
        self._vectors = np.array(embedder.embed([embedded_text(one, row) for row in one.rows]), dtype=np.float32)

    async def rank(self, asked: Asked) -> list[str]:
        (vector,) = self._embedder.embed([asked.text.strip()])
        return best(self._keys, self._vectors @ np.array(vector, dtype=np.float32), asked.itself)


class FullText:
    """``ts_rank`` over any of the query's words, title before text, in the documents' language."""

    name = "PostgreSQL full text"

    def __init__(self, one: LabelledSet, connection: asyncpg.Connection) -> None:
        self._one = one
        self._connection = connection
        self._language = _SNOWBALL.get(one.language, "simple")

    async def store(self) -> FullText:
        """Put the documents where they are searched."""
        await self._connection.execute("DROP TABLE IF EXISTS pg_temp.benchmark_texts")
        await self._connection.execute("CREATE TEMPORARY TABLE benchmark_texts (key text, words tsvector)")
        await self._connection.executemany(
            "INSERT INTO pg_temp.benchmark_texts VALUES ($1, setweight(to_tsvector($4::text::regconfig, $2), 'A')"
            " || setweight(to_tsvector($4::text::regconfig, $3), 'B'))",
            [
                (row[self._one.key], *(_spaced(part) for part in whole.split("\n", 1)), self._language)
                for row, whole in zip(self._one.rows, self._one.texts(), strict=True)
            ],
        )
        return self

    async def rank(self, asked: Asked) -> list[str]:
        rows = await self._connection.fetch(
            "SELECT key FROM pg_temp.benchmark_texts, LATERAL (SELECT string_agg(quote_literal(word), ' | ')::tsquery"
            "  FROM unnest(tsvector_to_array(to_tsvector($2::text::regconfig, $1))) word) q (query)"
            " WHERE words @@ query AND key IS DISTINCT FROM $3 ORDER BY ts_rank(words, query) DESC, key LIMIT $4",
            _spaced(asked.text), self._language, asked.itself, DEPTH,
        )  # fmt: skip
        return [row["key"] for row in rows]


class Fused:
    """Reciprocal rank fusion of two others."""

    def __init__(self, *others: Rival) -> None:
        self.name = "fused: " + " + ".join(one.name for one in others)
        self._others = others

    async def rank(self, asked: Asked) -> list[str]:
        scores: dict[str, float] = {}
        for other in self._others:
            for place, key in enumerate(await other.rank(asked), start=1):
                scores[key] = scores.get(key, 0.0) + 1 / (_FUSED + place)
        return sorted(scores, key=lambda key: (-scores[key], key))[:DEPTH]


def embedded_text(one: LabelledSet, row: dict[str, Any]) -> str:
    """What the product embeds of a document."""
    if one.kind == "tickets":
        return ticket_text(row["subject"], row["description"], row.get("resolution"))
    return article_text(row["title"], row["body"])


def best(keys: Sequence[str], scores: Any, itself: str | None) -> list[str]:
    """Keys by their scores; equal ones by the alphabet."""
    order = sorted(range(len(keys)), key=lambda place: (-float(scores[place]), keys[place]))
    return [keys[place] for place in order if keys[place] != itself][:DEPTH]


def _pairs(word: str) -> list[str]:
    """A word; of scripts without blanks, its pairs of characters."""
    if not _DENSE.search(word):
        return [word]
    return [word[place : place + 2] for place in range(max(1, len(word) - 1))]


def _spaced(text: str) -> str:
    return " ".join(part for word in _WORD.findall(text) for part in _pairs(word)) if _DENSE.search(text) else text
