"""By which cookie a browser is known again: one that we made, for that very account, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deskhand.access.cookies import known_device
from deskhand.access.people.schemas import PersonInvite
from deskhand.kit.crypto import SecretBox

BOX = SecretBox([Fernet.generate_key().decode()])
ANN = "ann@example.com"


def cookie(content: Any, box: SecretBox = BOX) -> str:
    return box.encrypt(content if isinstance(content, str) else json.dumps(content))


def test_a_browser_is_known_to_the_account_that_it_signed_in_to() -> None:
    made = cookie({"email": ANN, "device": "browser-1"})
    assert known_device(BOX, made, email=ANN) == "browser-1"
    assert known_device(BOX, made, email="bob@example.com") is None


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[]", "5", "null", '"text"', {}, {"email": ANN}, {"device": "browser-1"}, [{"email": ANN}]],
)
def test_what_we_encrypted_for_something_else_makes_no_browser_known(content: Any) -> None:
    assert known_device(BOX, cookie(content), email=ANN) is None


def test_a_cookie_of_another_installation_or_of_a_key_that_is_gone_is_a_strangers() -> None:
    made = cookie({"email": ANN, "device": "browser-1"}, SecretBox([Fernet.generate_key().decode()]))
    assert known_device(BOX, made, email=ANN) is None
    assert known_device(BOX, None, email=ANN) is None
    assert known_device(BOX, cookie({"email": ANN, "device": "x" * 3_000}), email=ANN) is None


@given(value=st.text(max_size=200))
def test_any_text_for_a_cookie_ends_no_sign_in(value: str) -> None:
    assert known_device(BOX, value, email=ANN) is None


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"email": "ann"}, "email"),
        ({"email": "ann@example.com\n"}, "email"),
        ({"email": "ann@example.com, eve@evil.test"}, "email"),
        ({"email": "a" * 250 + "@x.test"}, "email"),
        ({"name": "Ann\nLee"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"role": "platform_admin"}, "role"),
        ({"role": "owner"}, "role"),
        ({"is_platform_admin": True}, "is_platform_admin"),
    ],
)
def test_nobody_is_invited_under_what_is_no_address_name_or_role(sent: dict[str, Any], place: str) -> None:
    whole = {"email": ANN, "name": "Ann Lee", "role": "viewer"}
    assert PersonInvite.model_validate(whole).email == ANN
    with pytest.raises(ValidationError) as refusal:
        PersonInvite.model_validate({**whole, **sent})
    assert {str(fault["loc"][0]) if fault["loc"] else place for fault in refusal.value.errors()} == {place}
