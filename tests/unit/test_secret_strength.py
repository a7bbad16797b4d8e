"""Webhook secrets that people choose have a least strength."""

import base64
import secrets

import pytest

from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import new_webhook_secret
from deskhand.kit.secret_strength import ensure_strong, is_strong


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "x",
        "correct horse battery",
        "a" * 32,
        "ab" * 20,
        "changeme" * 8,
        "0123456789" * 4,
        " " * 40 + "short",
        "whsec_",
        "whsec_not base64, but long enough to pass as text",
        "whsec_" + base64.b64encode(b"short of 24 bytes").decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(b"changeme" * 4).decode(),
        "\ud800" * 40,
    ],
)
def test_weak_secrets_are_refused_with_the_field_and_the_fix(secret: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ensure_strong(secret, "/triggers/0/hmac_secret")
    (problem,) = refused.value.errors
    assert problem.pointer == "/triggers/0/hmac_secret"
    assert "32 or more random characters" in problem.detail
    assert len(secret) < 8 or secret not in refused.value.detail


@pytest.mark.parametrize("make", [new_webhook_secret, lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(24)])
def test_what_generators_make_is_strong(make) -> None:  # type: ignore[no-untyped-def]
    assert all(is_strong(make()) for _ in range(200))


def test_a_zendesk_secret_is_strong() -> None:
    assert is_strong(base64.b64encode(secrets.token_bytes(31)).decode())
