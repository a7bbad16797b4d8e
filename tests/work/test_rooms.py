"""How much a model is shown follows its window, and the run's limit of tokens."""

from __future__ import annotations

import pytest

from deskhand.notes.reading import SMALL
from deskhand.work.rooms import room_for


@pytest.mark.parametrize(
    ("model", "driven", "max_tokens", "ticket"),
    [
        ("gpt-4-turbo", False, 50_000, 40_000),
        ("gpt-4-turbo", False, 10_000, 8_000),
        ("gpt-4", False, 50_000, 13_104),
        ("nobodys-model", False, 50_000, 12_800),
        ("qwen2.5-coder-1.5b", True, 50_000, SMALL.ticket),
    ],
)
def test_the_room_is_a_part_of_the_window_and_of_the_run(
    model: str, driven: bool, max_tokens: int, ticket: int
) -> None:
    assert room_for({"model": model}, driven=driven, max_tokens=max_tokens).ticket == ticket


def test_a_small_model_keeps_the_room_it_was_measured_with_and_a_wide_one_reads_whole_sources() -> None:
    assert room_for({"provider": "embedded"}, driven=True, max_tokens=1) is SMALL
    medium, wide = (room_for({"model": name}, driven=False, max_tokens=50_000) for name in ("gpt-4", "gpt-4-turbo"))
    assert SMALL.solution < medium.solution < wide.solution
    assert SMALL.article < medium.article < wide.article
    assert not medium.description
