"""What an ID token must be to say who somebody is (OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725)."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jwt import decode

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures alone, each with a key that only the provider has. Not ``none``, and no HMAC: its key would be the public
key that everybody can fetch."""

LEEWAY = timedelta(seconds=60)
MAX_AGE = timedelta(minutes=10)
"""A token is asked for at the moment it is used; an older one was made for something else."""
MAX_TOKEN = 100_000
MAX_SUBJECT = 255

_FITTING: dict[str, type[Key]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey}
_LEAST_RSA_BITS = 2048


class TokenRefusedError(Exception):
    """Why a token says nothing; for the log, never for the person who sent it."""


def key_id(token: str) -> str | None:
    """Which key the token says that it is signed with; nothing in it is proven yet.

    Raises:
        TokenRefusedError: It is no signed token, or its algorithm is not among those that are accepted.
    """
    if len(token) > MAX_TOKEN:
        raise TokenRefusedError("the token is too long")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise TokenRefusedError("the token cannot be read") from error
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefusedError(f"the algorithm {str(header.get('alg'))[:20]!r} is not accepted")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def signing_key(keys: Iterable[Key], token: str) -> Key | None:
    """The provider's key for a token; None if it has none of that name and kind."""
    kid = key_id(token)
    alg = str(jws.extract_compact(token.encode()).headers()["alg"])
    fitting = [
        key
        for key in keys
        if isinstance(key, _FITTING[alg[:2]])
        and key.get("use") in (None, "sig")
        and key.get("alg") in (None, alg)
        and (kid is None or key.kid == kid)
        and not (isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS)
    ]
    # Without a name there may be one candidate only: trying each in turn would accept a key that was withdrawn last.
    return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None


def proven_claims(token: str, key: Key, *, issuer: str, client_id: str, nonce: str, now: datetime) -> Mapping[str, Any]:
    """What a token says, once it is proven to be the provider's, for us, for this sign-in, and of now.

    Raises:
        TokenRefusedError: It is not.
    """
    try:
        claims = decode(token, key, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError) as error:
        raise TokenRefusedError("the signature does not hold") from error
    if claims.get("iss") != issuer:
        raise TokenRefusedError("the token is of another issuer")
    _check_audience(claims, client_id)
    _check_times(claims, now)
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise TokenRefusedError("the nonce is that of another sign-in")
    subject = claims.get("sub")
    # Core, section 2: at most 255 ASCII characters.
    if (
        not isinstance(subject, str)
        or not 0 < len(subject) <= MAX_SUBJECT
        or not subject.isascii()
        or not subject.isprintable()
    ):
        raise TokenRefusedError("the token names nobody")
    return claims


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise TokenRefusedError("the token is for another client")
    # Made for several: then the one it was given to is named, and that must be us.
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenRefusedError("the token was given to another client")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if moment >= _instant(claims, "exp") + leeway:
        raise TokenRefusedError("the token has expired")
    issued = _instant(claims, "iat")
    if issued > moment + leeway or ("nbf" in claims and _instant(claims, "nbf") > moment + leeway):
        raise TokenRefusedError("the token is of the future")
    if issued < moment - MAX_AGE.total_seconds() - leeway:
        raise TokenRefusedError("the token is too old")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # Python's JSON knows NaN, which is neither before nor after any time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefusedError(f"the token has no usable {name}")
    return value
