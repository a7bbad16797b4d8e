"""What a page shows of stored input, and what becomes of it when somebody edits what they were shown."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.errors import InvalidInputError
from deskhand.executions.redaction import HIDDEN, redact
from deskhand.executions.restoration import restored

NAMES = ("subject", "password", "api_token", "tokens_in", "rows", "x")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=14,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "hunter2", "subject": "VPN"}, {"password": HIDDEN, "subject": "VPN"}),
        ({"apiKey": {"v": "x"}}, {"apiKey": HIDDEN}),
        ({"a": [{"jira_api_token": "x"}]}, {"a": [{"jira_api_token": HIDDEN}]}),
        ({"token": None, "secret": "", "password": True, "client_secret": 7}, None),
        ({"tokens_in": 812, "max_tokens": 4096, "author": "x"}, None),
        (["Bearer abcdefgh12345"], [f"Bearer {HIDDEN}"]),
        ("https://u:pw@h/", f"https://u:{HIDDEN}@h/"),
        (3.5, None),
    ],
)
def test_a_telling_name_hides_its_value_and_a_text_loses_its_keys(value: Any, shown: Any) -> None:
    assert redact(value) == (value if shown is None else shown)


@settings(max_examples=200)
@given(JSON)
def test_showing_changes_nothing_stored_and_is_the_same_twice(value: Any) -> None:
    before = json.dumps(value)
    once = redact(value)
    assert json.dumps(value) == before
    assert redact(once) == once


@settings(max_examples=200)
@given(JSON)
def test_what_nobody_edited_is_stored_as_it_was(value: Any) -> None:
    assert restored(redact(value), value) == value


STORED = {
    "password": "hunter2",
    "subject": "VPN",
    "hosts": [{"name": "a", "token": "t-1"}, {"name": "b", "token": "t-2"}],
    "note": "key sk-abcdefgh123 in use",
}


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({"subject": "Wi-Fi"}, {"subject": "Wi-Fi"}),
        ({"password": "new"}, {"password": "new"}),
        ({"added": 1}, {"added": 1}),
        ({"hosts": [{"name": "c", "token": HIDDEN}, {"name": "b", "token": HIDDEN}]},
         {"hosts": [{"name": "c", "token": "t-1"}, {"name": "b", "token": "t-2"}]}),
        # one more, one fewer, another order: each element that was shown is the one it stands for
        ({"hosts": [{"name": "a", "token": HIDDEN}, {"name": "b", "token": HIDDEN}, {"name": "c", "token": "t-3"}]},
         {"hosts": [{"name": "a", "token": "t-1"}, {"name": "b", "token": "t-2"}, {"name": "c", "token": "t-3"}]}),
        ({"hosts": [{"name": "b", "token": HIDDEN}]}, {"hosts": [{"name": "b", "token": "t-2"}]}),
        ({"hosts": [{"name": "b", "token": HIDDEN}, {"name": "a", "token": HIDDEN}]},
         {"hosts": [{"name": "b", "token": "t-2"}, {"name": "a", "token": "t-1"}]}),
        # edited while the length or the order changes: told by what the element still shares with the one shown
        ({"hosts": [{"name": "b", "port": 1, "token": HIDDEN}]}, {"hosts": [{"name": "b", "port": 1, "token": "t-2"}]}),
        ({"hosts": [{"name": "new"}, {"name": "a", "token": HIDDEN, "x": 1}, {"name": "b", "token": HIDDEN}]},
         {"hosts": [{"name": "new"}, {"name": "a", "token": "t-1", "x": 1}, {"name": "b", "token": "t-2"}]}),
        ({"hosts": [{"name": "b", "token": HIDDEN}, {"name": "a", "token": HIDDEN, "x": 1}]},
         {"hosts": [{"name": "b", "token": "t-2"}, {"name": "a", "token": "t-1", "x": 1}]}),
        ({"note": f"The key {HIDDEN}, in use"}, {"note": "The key sk-abcdefgh123, in use"}),
        ({"flag": True}, {"flag": True}),
    ],
)  # fmt: skip
def test_an_edit_keeps_the_credentials_that_were_hidden_from_the_editor(
    change: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert restored({**redact(STORED), **change}, STORED) == {**STORED, **stored}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"hosts": [{"name": "c", "token": HIDDEN}]}, "/input/hosts/0/token"),  # either one may be meant
        ({"hosts": [*redact(STORED)["hosts"], {"name": "a", "token": HIDDEN, "x": 1}]}, "/input/hosts/2/token"),
        ({"hosts": {"name": "a", "token": HIDDEN}}, "/input/hosts/token"),
        ({"other_password": HIDDEN}, "/input/other_password"),
        ({"note": f"{HIDDEN} or {HIDDEN}"}, "/input/note"),
        ({"keys": [HIDDEN]}, "/input/keys/0"),
    ],
)
def test_a_mark_that_stands_for_nothing_is_refused_and_never_stored(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        restored({**redact(STORED), **change}, STORED, at=("input",))
    assert [fault.pointer for fault in refused.value.errors] == [place]


@pytest.mark.parametrize(("stored", "edited"), [({"a": f"say {HIDDEN}"}, {"b": HIDDEN}), ({"x": 1}, {"x": True})])
def test_where_nothing_was_hidden_an_edit_is_stored_as_it_is(stored: Any, edited: Any) -> None:
    assert json.dumps(restored(edited, stored)) == json.dumps(edited)


@settings(max_examples=200)
@given(st.lists(JSON, max_size=5), st.randoms(use_true_random=False))
def test_elements_moved_and_taken_away_keep_what_was_theirs(items: list[Any], chance: Random) -> None:
    pairs = [(redact(item), item) for item in items]
    chance.shuffle(pairs)
    kept = pairs[: chance.randint(0, len(pairs))]
    # Elements that were shown alike are each other's; of what differs only in what was hidden, either may stay.
    assert redact(restored([shown for shown, _ in kept], items)) == [shown for shown, _ in kept]


def test_a_long_list_is_restored_in_time_that_grows_with_its_length() -> None:
    stored = [{"name": str(number), "token": f"t-{number}"} for number in range(20_000)]
    edited = [{**item, "x": 1} for item in redact(stored)]
    assert restored(edited, stored) == [{**item, "x": 1} for item in stored]
    assert restored(redact(stored)[::-1], stored) == stored[::-1]


def test_what_was_taken_away_stays_away() -> None:
    shown = redact(STORED)
    del shown["password"]
    assert "password" not in restored(shown, STORED)
