"""Before and after of a write: what changed is told once, and taking back never overwrites what others did since."""

from __future__ import annotations

from operator import eq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.runs import ticket

from deskhand.plugins.images import field_changes, to_restore
from deskhand.plugins.receipts import created
from deskhand.plugins.writes import FieldChange

VALUES = st.none() | st.sampled_from(["", "Open", "Closed", 1, ["vip"]])
RECORDS = st.dictionaries(st.sampled_from("abcd"), VALUES)


def changed(before: dict[str, Any], after: dict[str, Any], *names: str) -> tuple[FieldChange, ...]:
    return field_changes(before, after, names or "abcd", ours={"a": "status"}, text=lambda value: f"<{value}>")


def test_a_changed_field_is_told_by_both_names_with_values_and_words() -> None:
    [change] = changed({"a": "Open", "b": 1}, {"a": "Closed", "b": 1}, "a", "b", "a")
    assert change == FieldChange(
        field="status",
        vendor_field="a",
        before="Open",
        after="Closed",
        before_text="<Open>",
        after_text="<Closed>",
    )
    assert [one.field for one in changed({}, {"b": 1})] == ["b"]


@given(before=RECORDS, after=RECORDS)
def test_a_write_that_nobody_followed_is_taken_back_whole(before: dict[str, Any], after: dict[str, Any]) -> None:
    changes = changed(before, after)
    wanted, skipped = to_restore(changes, after, same=eq)
    assert skipped == ()
    restored = {**after, **wanted}
    assert all(restored.get(name) == before.get(name) for name in "abcd")
    assert to_restore(changes, restored, same=eq) == ({}, ())


@given(before=RECORDS, after=RECORDS, now=RECORDS)
def test_what_somebody_changed_since_is_left_alone_and_named(
    before: dict[str, Any], after: dict[str, Any], now: dict[str, Any]
) -> None:
    wanted, skipped = to_restore(changed(before, after), now, same=eq)
    assert all(now.get(name) == after.get(name) for name in wanted)
    for one in skipped:
        assert one.after == now.get(one.vendor_field)
        assert one.after not in (before.get(one.vendor_field), after.get(one.vendor_field))
    assert not set(wanted) & {one.vendor_field for one in skipped}


@pytest.mark.parametrize("adopted", [False, True])
def test_the_receipt_of_a_new_ticket_says_how_people_find_it(adopted: bool) -> None:
    receipt = created(ticket(url="https://desk.test/IT-17", revision="5"), "dh-mark", adopted=adopted)
    assert (receipt.id, receipt.ticket_id, receipt.display_id) == ("10017", "10017", "IT-17")
    assert (receipt.url, receipt.revision, receipt.mark) == ("https://desk.test/IT-17", "5", "dh-mark")
    assert receipt.adopted is adopted
