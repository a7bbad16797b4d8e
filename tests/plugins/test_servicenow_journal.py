"""ServiceNow's journal as a record shows it: entries, labels of any language, times of any profile."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskhand.plugins.servicenow.journal import entries, shown_time


def _row(text: str) -> dict[str, dict[str, str]]:
    return {"work_notes": {"value": text, "display_value": text}}


JOURNAL = (
    "2026-11-28 09:15:00 - Ines Keller (Work notes)\nRestarted the spooler.\nIt prints again.\n\n"
    "2026-11-28 08:00:00 - Bo (Contractor) (Work notes)\r\nLooked at it.\n\n"
)


def test_entries_come_newest_first_with_their_authors_and_times() -> None:
    newer, older = entries(_row(JOURNAL), "work_notes")
    assert (newer.id, older.id) == ("work_notes-2", "work_notes-1")
    assert newer.body == "Restarted the spooler.\nIt prints again."
    assert newer.author is not None
    assert older.author is not None
    assert (newer.author.name, older.author.name) == ("Ines Keller", "Bo (Contractor)")
    assert newer.created_at == datetime(2026, 11, 28, 9, 15, tzinfo=UTC)
    assert not newer.public


def test_an_id_stays_when_a_newer_entry_comes() -> None:
    before = entries(_row(JOURNAL), "work_notes")
    after = entries(_row(f"2026-11-28 10:00:00 - Eve (Work notes)\nMore.\n\n{JOURNAL}"), "work_notes")
    assert [(note.id, note.body) for note in after[1:]] == [(note.id, note.body) for note in before]


@pytest.mark.parametrize(
    "label", ["(Work notes)", "(Arbeitsnotizen (intern))", "\uff08作業メモ\uff09", "(Notes de travail)"]
)
def test_the_label_is_whatever_language_the_account_speaks(label: str) -> None:
    text = f"28.11.2026 09:15:00 - Ines {label}\nOne.\n\n28.11.2026 08:00:00 - Bo {label}\nTwo.\n"
    assert [note.body for note in entries(_row(text), "work_notes")] == ["One.", "Two."]


def test_a_line_of_a_note_that_is_no_head_stays_a_line() -> None:
    text = "2026-11-28 09:15:00 - Ines (Work notes)\nHe said - quite rightly (Work notes)\nEnd.\n"
    [note] = entries(_row(text), "work_notes")
    assert note.body == "He said - quite rightly (Work notes)\nEnd."


@pytest.mark.parametrize("text", ["", "no head at all", "(Work notes)\nx", "2026-11-28 - (x)"])
def test_what_is_no_journal_has_no_entries(text: str) -> None:
    assert entries(_row(text), "work_notes") == []


def test_comments_are_what_the_requester_can_read() -> None:
    text = "2026-11-28 09:15:00 - Ines (Additional comments)\nHello.\n"
    [note] = entries({"comments": {"value": text, "display_value": text}}, "comments")
    assert note.public


@pytest.mark.parametrize(
    ("shown", "moment"),
    [
        ("2026-11-28 09:15:00", (2026, 11, 28, 9, 15, 0)),
        ("28.11.2026 09:15:30", (2026, 11, 28, 9, 15, 30)),
        ("28-11-2026 09:15", (2026, 11, 28, 9, 15, 0)),
        ("05.04.2026 09:15", (2026, 4, 5, 9, 15, 0)),
        ("11/28/2026 09:15:00 PM", (2026, 11, 28, 21, 15, 0)),
        ("28/11/2026 12:05 a.m.", (2026, 11, 28, 0, 5, 0)),
        ("11/28/2026 12:05 pm", (2026, 11, 28, 12, 5, 0)),
        ("2026年11月28日 9:15", (2026, 11, 28, 9, 15, 0)),
        ("07/07/2026 10:00", (2026, 7, 7, 10, 0, 0)),
        ("05/04/2026 09:15", None),  # April or May: nobody can say
        ("31/31/2026 09:15", None),
        ("30.02.2026 09:15", None),
        ("28.11.2026 25:15", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_is_read_only_where_it_says_which_number_is_the_day(shown: str, moment: tuple[int, ...] | None) -> None:
    wanted = datetime(*moment, tzinfo=UTC) if moment else None  # type: ignore[misc,arg-type]  # year to second
    assert shown_time(shown) == wanted
