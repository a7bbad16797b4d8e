"""What a connection may be, by its kind; and that a key shows in nothing that is printed of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deskhand.gateways.models import ConnectionKind
from deskhand.gateways.schemas import (
    INSTALLATION,
    MOST_ALIASES,
    ConnectionChange,
    ConnectionTrial,
    NewConnection,
    fault_of,
)

KEY = "sk-which-is-in-no-repr"
GATE = {
    "slug": "house",
    "kind": "openai_compatible",
    "name": "  House ",
    "base_url": "https://llm.example.com/v1",
    "api_key": KEY,
}


def refused(**more: Any) -> str:
    """Why a connection is refused."""
    with pytest.raises(ValidationError) as caught:
        NewConnection.model_validate({**GATE, **more})
    return str(caught.value)


def test_what_is_complete_is_taken_and_its_key_is_not_shown() -> None:
    made = NewConnection.model_validate(GATE)
    assert (made.name, made.kind) == ("House", ConnectionKind.OPENAI_COMPATIBLE)
    assert (made.is_default, made.is_local, made.tenants, made.aliases) == (False, False, None, {})
    assert made.api_key is not None
    assert made.api_key.get_secret_value() == KEY
    assert KEY not in repr(made)
    assert KEY not in made.model_dump_json()


@pytest.mark.parametrize(
    "address",
    [
        "https://llm.example.com",
        "https://llm.example.com/v1",
        "http://10.0.0.1:4000/v1",
        "https://[2001:db8::1]/v1",
        "https://llm.example.com/some.path_of~ours/v1",
    ],
)
def test_addresses_that_can_be_called(address: str) -> None:
    assert NewConnection.model_validate({**GATE, "base_url": address}).base_url == address


@pytest.mark.parametrize(
    "address",
    [
        "ftp://llm.example.com/v1",
        "llm.example.com/v1",
        "https://",
        "https://user:password@llm.example.com/v1",
        "https://llm.example.com/v1?key=1",
        "https://llm.example.com/v1#part",
        "https://llm.example.com/v1 ",
        "https://llm.example.com:65536/v1",
        "https://llm.example.com/" + "v" * 500,
    ],
)
def test_addresses_that_are_none_or_carry_more_than_a_place(address: str) -> None:
    assert "base_url" in refused(base_url=address)


@pytest.mark.parametrize(
    ("kind", "base_url", "has_key", "says"),
    [
        (ConnectionKind.OPENAI_COMPATIBLE, "https://a.example.com/v1", True, ""),
        (ConnectionKind.OPENAI_COMPATIBLE, "https://a.example.com/v1", False, ""),
        (ConnectionKind.OPENAI_COMPATIBLE, None, True, "base_url is needed"),
        (ConnectionKind.LITELLM_PROXY, None, False, "base_url is needed"),
        (ConnectionKind.EMBEDDED, None, False, ""),
        (ConnectionKind.EMBEDDED, "https://a.example.com/v1", False, "do not belong"),
        (ConnectionKind.EMBEDDED, None, True, "do not belong"),
        (ConnectionKind.LITELLM_SDK, None, True, ""),
        (ConnectionKind.LITELLM_SDK, "https://a.example.com/v1", False, ""),
    ],
)
def test_each_kind_has_what_it_needs_and_nothing_else(
    kind: ConnectionKind, base_url: str | None, has_key: bool, says: str
) -> None:
    fault = fault_of(kind, base_url, has_key=has_key)
    assert says in fault
    assert bool(fault) is bool(says)


@pytest.mark.parametrize(
    "more",
    [
        {"slug": "House"},
        {"slug": "-house"},
        {"slug": "h" * 41},
        {"slug": INSTALLATION},
        {"kind": "other"},
        {"name": " "},
        {"name": "n\x00"},
        {"api_key": ""},
        {"api_key": "two words"},
        {"api_key": "schlüssel"},
        {"api_key": "k" * 4_001},
        {"aliases": {f"m{number}": "n" for number in range(MOST_ALIASES + 1)}},
        {"aliases": {"": "n"}},
        {"aliases": {"m": ""}},
        {"tenants": ["Not An Id"]},
        {"unknown": 1},
    ],
)
def test_what_no_connection_can_have(more: dict[str, Any]) -> None:
    message = refused(**more)
    assert KEY not in message


def test_a_change_takes_away_a_key_or_tenants_and_nothing_that_is_needed() -> None:
    change = ConnectionChange.model_validate({"api_key": None, "tenants": None})
    assert change.model_fields_set == {"api_key", "tenants"}
    for name in ("name", "base_url", "aliases", "is_local", "region", "is_default"):
        with pytest.raises(ValidationError, match="must have a value"):
            ConnectionChange.model_validate({name: None})
    assert ConnectionTrial.model_validate({}).model is None
