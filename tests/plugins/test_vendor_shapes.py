"""Shapes that vendors send beside the usual ones: two-level options, numbers, journals in other languages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.errors import DeskValidationError
from deskhand.plugins.jira import fields, mapping
from deskhand.plugins.servicenow.mapping import rendered_notes

AREA = {
    "schema": {"type": "option-with-child"},
    "allowedValues": [
        {"id": "1", "value": "Hardware", "children": [{"id": "2", "value": "Laptop"}, {"id": "3", "value": "A - B"}]},
        {"id": "4", "value": "Soft - ware"},
    ],
}
BOTH = {"id": "1", "child": {"id": "2"}}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Hardware", {"id": "1"}),
        ("Hardware > Laptop", BOTH),
        ("hardware / laptop", BOTH),
        ("Hardware - Laptop", BOTH),
        ("Hardware > A - B", {"id": "1", "child": {"id": "3"}}),
        (["Hardware", "Laptop"], BOTH),
        ("Soft - ware", {"id": "4"}),
        ({"id": "1"}, {"id": "1"}),
        (None, None),
    ],
)
def test_a_cascading_select_is_sent_as_options(value: Any, sent: Any) -> None:
    assert fields.encode("area", value, {"area": AREA}) == sent


def test_what_is_read_from_a_cascading_select_can_be_sent_back() -> None:
    read = mapping.plain({"id": "1", "value": "Hardware", "child": {"id": "2", "value": "Laptop"}})
    assert read == "Hardware > Laptop"
    assert fields.encode("area", read, {"area": AREA}) == BOTH
    assert fields.encode("area", read, {"area": {"schema": AREA["schema"]}}) == {
        "value": "Hardware",
        "child": {"value": "Laptop"},
    }


@pytest.mark.parametrize("value", ["Nothing", "Hardware > Nothing", "Soft - ware > Laptop"])
def test_a_level_that_is_not_offered_is_refused(value: str) -> None:
    with pytest.raises(DeskValidationError, match="is not a value of area"):
        fields.encode("area", value, {"area": AREA})


def test_numbers_are_sent_as_numbers() -> None:
    meta = {"seats": {"schema": {"type": "number"}}}
    assert [fields.encode("seats", value, meta) for value in ("5", 5, "2.5", "-1")] == [5, 5, 2.5, -1]
    for value in ("many", "1e9999", "", float("inf")):
        with pytest.raises(DeskValidationError, match="not a number"):
            fields.encode("seats", value, meta)


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("2026-11-27 10:05:00", datetime(2026, 11, 27, 10, 5, tzinfo=UTC)),
        ("27.11.2026 10:05:00", datetime(2026, 11, 27, 10, 5, tzinfo=UTC)),
        ("27-11-2026 10:05", datetime(2026, 11, 27, 10, 5, tzinfo=UTC)),
        ("11/27/2026 10:05:00 PM", datetime(2026, 11, 27, 22, 5, tzinfo=UTC)),
        ("2026年11月27日 10:05:00", datetime(2026, 11, 27, 10, 5, tzinfo=UTC)),
        ("05/06/2026 10:05:00", None),
        ("27 nov. 2026 10:05:00", None),
    ],
)
@pytest.mark.parametrize("label", ["(Work notes)", "(Arbeitsnotizen)", "（作業メモ）", "(Commentaires (visibles))"])
def test_journals_of_any_language_and_profile_are_read(shown: str, read: datetime | None, label: str) -> None:
    text = (
        f"{shown} - Ines (Ext) Adler {label}\nReplaced - the cable (twice)\n\nand waited.\n\n"
        f"{shown} - Bob Roe {label}\nLooked.\n\n"
    )
    notes = rendered_notes({"work_notes": {"display_value": text, "value": text}})
    assert [note.body for note in notes] == ["Looked.", "Replaced - the cable (twice)\n\nand waited."] or read
    assert {note.created_at for note in notes} == {read}
    assert {note.author.name for note in notes} == {"Ines (Ext) Adler", "Bob Roe"}
