"""What a page shows of stored input, and what becomes of it when somebody edits what they were shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.executions.redaction import HIDDEN, redact, restored

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
    ],
)  # fmt: skip
def test_an_edit_keeps_the_credentials_that_were_hidden_from_the_editor(
    change: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert restored({**redact(STORED), **change}, STORED) == {**STORED, **stored}


def test_what_was_taken_away_stays_away() -> None:
    shown = redact(STORED)
    del shown["password"]
    assert "password" not in restored(shown, STORED)
