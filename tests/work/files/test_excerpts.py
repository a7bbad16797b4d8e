"""What is kept of a long text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.work.files.excerpts import CHARACTERS, excerpt


def test_a_short_text_is_kept_as_it_is() -> None:
    assert excerpt("  one\n\n two \n") == "one\n\n two"


def test_of_a_long_log_faults_and_the_end_are_kept_in_their_order() -> None:
    quiet = [f"2026-11-30 08:{number % 60:02d}:00 INFO request {number} served" for number in range(5_000)]
    lines = [*quiet[:1000], "08:20 ERROR cannot open store: 0x80070035", *quiet[1000:], "the last words"]
    kept = excerpt("\n".join(lines)).splitlines()
    assert kept[:2] == ["…", "08:20 ERROR cannot open store: 0x80070035"]
    assert kept[2] == "…"
    assert kept[-1] == "the last words"
    assert len(kept) < 10


def test_a_line_that_comes_a_thousand_times_is_kept_once_and_the_newest() -> None:
    lines = [f"08:00:{number:04d} connection refused by 10.0.0.{number % 9}" for number in range(1_000)]
    kept = excerpt("\n".join(["08:00 disk failure on sdb", *lines]))
    assert kept.count("refused") == 1
    assert "08:00:0999" in kept
    assert "disk failure on sdb" in kept


def test_where_there_is_room_for_few_the_newest_faults_stay() -> None:
    lines = [f"error {'abcdefghij'[number % 10] * (number + 1)}" for number in range(200)]
    kept = excerpt("\n".join(lines), 500).splitlines()
    assert kept[0] == "…"
    assert kept[-1] == lines[-1]
    assert [line for line in kept if line != "…"] == lines[-(len(kept) - 1) :]


@given(st.lists(st.text(max_size=400), max_size=60), st.integers(50, 400))
def test_what_is_kept_stood_there_in_that_order_and_fits(lines: list[str], most: int) -> None:
    text = "\n".join(lines)
    kept = excerpt(text, most)
    whole = text.strip()
    if len(whole) <= most:
        assert kept == whole
        return
    said = [line for line in kept.splitlines() if line != "…"]
    assert sum(map(len, said)) <= most
    stripped = [line.strip()[:300] for line in whole.splitlines()]
    # Each line where it stands last, and those places in order.
    last = [len(stripped) - 1 - stripped[::-1].index(line) for line in said]
    assert last == sorted(set(last))


def test_half_a_megabyte_of_one_line_is_cut() -> None:
    assert len(excerpt("error " * 100_000)) <= CHARACTERS
