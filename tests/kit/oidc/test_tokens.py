"""Which key may have signed a token, and what a token must say; without a network."""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from tests.support.identity import part

from deskhand.kit.oidc.tokens import ALGORITHMS, TokenRefusedError, key_id, proven_claims, signing_key

ISSUER = "https://login.example.com"


def rsa(bits: int, **parameters: Any) -> RSAKey:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc warns of the weak one, which is what is tried
        return RSAKey.generate_key(bits, parameters or None)


def token(key: Key, alg: str, **header: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "d", "sub": "ann", "nonce": "n", "iat": now, "exp": now + 60}
    return jwt.encode({"alg": alg, **header}, claims, key, algorithms=[alg])


def test_a_key_is_of_the_name_and_kind_that_the_token_needs() -> None:
    elliptic, other = ECKey.generate_key("P-256", {"kid": "a"}), ECKey.generate_key("P-256", {"kid": "b"})
    strong, weak = rsa(2048, kid="r"), rsa(1024, kid="w")
    keys = [elliptic, other, strong, weak, OctKey.generate_key(256, {"kid": "o"})]
    assert signing_key(keys, token(elliptic, "ES256", kid="a")) is elliptic
    assert signing_key(keys, token(strong, "PS256", kid="r")) is strong
    assert signing_key(keys, token(strong, "RS256")) is strong, "the one there is of this kind"
    assert signing_key(keys, token(elliptic, "ES256")) is None, "there are two, and the token does not say which"
    assert signing_key(keys, token(weak, "RS256", kid="w")) is None, "too short a key"
    assert signing_key(keys, token(elliptic, "ES256", kid="r")) is None, "a key of another kind"
    assert signing_key([], token(strong, "RS256")) is None


@pytest.mark.parametrize("alg", ["none", "HS256", "HS512", "EdDSA", "", None, 7, ["RS256"], {"a": 1}])
def test_no_other_algorithm_is_looked_at(alg: object) -> None:
    assert alg not in ALGORITHMS
    with pytest.raises(TokenRefusedError):
        key_id(f"{part({'alg': alg, 'kid': 'a'})}.{part({})}.c2ln")


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", f"{part([])}.{part({})}.x", "\u00e9.b.c", "x" * 100_001])
def test_what_is_no_token_is_refused_as_one(text: str) -> None:
    with pytest.raises(TokenRefusedError):
        key_id(text)


def test_what_holds_is_told_whole() -> None:
    key = rsa(2048)
    claims = proven_claims(token(key, "RS256"), key, issuer=ISSUER, client_id="d", nonce="n", now=datetime.now(UTC))
    assert (claims["sub"], claims["aud"]) == ("ann", "d")
    with pytest.raises(TokenRefusedError, match="signature"):
        proven_claims(token(rsa(2048), "RS256"), key, issuer=ISSUER, client_id="d", nonce="n", now=datetime.now(UTC))
