"""How fast a loaded model is on this machine, measured by asking it; memory alone says nothing about that."""

from __future__ import annotations

import contextlib
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

READ_TOKENS, WRITTEN_TOKENS = 650, 100
"""What a note of a first look takes of the model: measured over the demo's three tickets."""

NOTE_SECONDS = 45.0
"""What one note may take: half of what the model gets of a run (three quarters of ``DESKHAND_RUN_TIMEOUT``, 120 s), so
that a second ticket at the same time gets its words, too."""

TRIES = 2
_SECONDS = 120.0
_ANSWER_TOKENS = 8
# About 110 tokens: fewer measure how long a call takes to begin.
_TEXT = "The printer on the second floor prints blank pages since this morning. " * 8


@dataclass(frozen=True, slots=True)
class Speed:
    """What one call showed.

    Attributes:
        reading: Tokens of a prompt per second.
        writing: Tokens of an answer per second.
    """

    reading: float
    writing: float

    @property
    def note_seconds(self) -> float:
        """Seconds a usual note takes."""
        return READ_TOKENS / self.reading + WRITTEN_TOKENS / self.writing


SLOWEST = Speed(reading=_ANSWER_TOKENS / _SECONDS, writing=_ANSWER_TOKENS / _SECONDS)
"""What did not answer within its time at all."""


def measured(base_url: str, api_key: str, *, enough: float = NOTE_SECONDS) -> Speed:
    """The best of a few calls; another only where the first was slow, since the machine may have been busy with others.

    Args:
        base_url: Of the embedded server, with its ``/v1``.
        api_key: Its key.
        enough: Seconds for a note with which it is not asked again.

    Raises:
        OSError: It cannot be reached.
        ValueError: Its answer has no times (``timings`` is llama.cpp's own addition to the chat API).
    """
    best = SLOWEST
    for _ in range(TRIES):
        with contextlib.suppress(TimeoutError):  # too slow even to say how slow
            best = min(best, _called(base_url, api_key), key=lambda speed: speed.note_seconds)
        if best.note_seconds <= enough:
            break
    return best


def _called(base_url: str, api_key: str) -> Speed:
    address = urlsplit(base_url)
    # The standard library's client: this runs in the model's own process, which loads nothing else of ours.
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_SECONDS)
    question = {
        "messages": [{"role": "user", "content": _TEXT}],
        "max_tokens": _ANSWER_TOKENS,
        # What it remembers of the last call would make it look faster than it is.
        "cache_prompt": False,
    }
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"{address.path}/chat/completions", json.dumps(question), headers)
        return speed_of(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def speed_of(answer: Any) -> Speed:
    """What llama.cpp's server says about a call.

    Raises:
        ValueError: It says nothing of the kind.
    """
    try:
        times = answer["timings"]
        speed = Speed(float(times["prompt_per_second"]), float(times["predicted_per_second"]))
    except (KeyError, TypeError) as error:
        raise ValueError("The embedded model's answer has no times.") from error
    if not (speed.reading > 0 and speed.writing > 0):
        raise ValueError("The embedded model took no time, or less.")
    return speed
