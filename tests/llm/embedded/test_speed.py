"""The embedded model is chosen by how fast it is here, too: measured by asking it, twice where it was slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deskhand.llm.embedded import speed
from deskhand.llm.embedded.models import EMBEDDED_MODELS, EmbeddedEndpoint, choose_model, smaller_than
from deskhand.llm.embedded.server import faster_than, options_for
from deskhand.llm.embedded.speed import NOTE_SECONDS, SLOWEST, Speed, measured, speed_of

LARGE, SMALL = EMBEDDED_MODELS["qwen2.5-coder-1.5b"], EMBEDDED_MODELS["qwen2.5-coder-0.5b"]
FAST, SLOW = Speed(70.0, 20.0), Speed(15.0, 3.0)


@dataclass
class TimedModel:
    """Answers as llama.cpp's server does, with the times it is given, one call after the other; None never answers."""

    speeds: list[Speed | None]
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)
    base_url: str = ""

    def answer(self) -> bytes:
        its = self.speeds[min(len(self.asked), len(self.speeds)) - 1]
        if its is None:
            self.ended.wait()
            return b""
        times = {"prompt_per_second": its.reading, "predicted_per_second": its.writing}
        return json.dumps({"choices": [], "timings": times}).encode()


@pytest.fixture
def timed_model(request: pytest.FixtureRequest) -> Iterator[TimedModel]:
    model = TimedModel(request.param)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            model.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            model.keys.add(self.headers["Authorization"])
            body = model.answer()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        model.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield model
        finally:
            model.ended.set()
            server.shutdown()
            serving.join()


@pytest.mark.parametrize(
    ("timed_model", "best", "calls"),
    [
        ([FAST], FAST, 1),
        ([SLOW, FAST], FAST, 2),  # the machine was busy with something else
        ([SLOW, SLOW, FAST], SLOW, 2),  # and is not asked for ever
    ],
    indirect=["timed_model"],
)
def test_what_was_slow_is_asked_once_more_and_the_best_counts(timed_model: TimedModel, best: Speed, calls: int) -> None:
    assert measured(timed_model.base_url, "sk-it") == best
    assert len(timed_model.asked) == calls
    assert timed_model.keys == {"Bearer sk-it"}
    # What it remembers of the first call would make the second look fast.
    assert all(asked["cache_prompt"] is False and asked["max_tokens"] > 1 for asked in timed_model.asked)


@pytest.mark.parametrize("timed_model", [[None]], indirect=True)
def test_one_that_does_not_answer_in_time_is_too_slow_and_no_crash(
    timed_model: TimedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_SECONDS", 0.05)
    assert measured(timed_model.base_url, "sk-it") == SLOWEST
    assert SLOWEST.note_seconds > NOTE_SECONDS
    assert len(timed_model.asked) == speed.TRIES


def test_nobody_there_is_said(unused_tcp_port: int) -> None:
    with pytest.raises(OSError, match="refused"):
        measured(f"http://127.0.0.1:{unused_tcp_port}/v1", "sk-it")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"timings": None},
        {"timings": {"prompt_per_second": 9.0}},
        {"timings": {"prompt_per_second": 0.0, "predicted_per_second": 1.0}},
        {"timings": {"prompt_per_second": "fast", "predicted_per_second": 1.0}},
        {"timings": {"prompt_per_second": float("nan"), "predicted_per_second": 1.0}},
    ],
)
def test_an_answer_without_times_is_refused_in_words(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"embedded model|could not convert"):
        speed_of(answer)


def test_a_note_is_counted_in_what_it_reads_and_writes() -> None:
    assert Speed(65.0, 10.0).note_seconds == pytest.approx(20.0)
    assert FAST.note_seconds < NOTE_SECONDS < SLOW.note_seconds


def test_the_smaller_model_is_one_that_makes_sense() -> None:
    assert smaller_than(LARGE) is SMALL
    assert smaller_than(SMALL) is None  # the test model writes no sense
    assert smaller_than(choose_model(memory_available=0)) is None


def test_only_auto_may_be_answered_by_another_model(tmp_path: Path) -> None:
    (tmp_path / LARGE.filename).touch()
    state = tmp_path / "state"
    named = options_for(LARGE.name, models_dir=tmp_path, state_file=state)
    given = options_for("auto", models_dir=tmp_path, state_file=state, model_path=tmp_path / LARGE.filename)
    assert named.smaller is None
    assert given.smaller is None
    auto = options_for("auto", models_dir=tmp_path, state_file=state)
    if auto.name == LARGE.name:  # not where this machine has too little memory for it
        assert auto.smaller == (tmp_path / SMALL.filename, SMALL.name)


@pytest.mark.parametrize(
    ("model", "note_seconds", "faster"),
    [(LARGE, 46, SMALL), (LARGE, 45, None), (LARGE, None, None), (SMALL, 900, None)],
)
def test_a_machine_that_does_better_with_another_model_is_told(
    model: Any, note_seconds: int | None, faster: Any
) -> None:
    assert faster_than(EmbeddedEndpoint("http://127.0.0.1:9/v1", "sk-it", model.name, note_seconds)) is faster
