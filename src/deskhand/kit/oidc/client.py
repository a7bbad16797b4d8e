"""Signing people in with an OpenID provider: authorization code with PKCE, and nothing of tenants or accounts.

A sign-in is bound to one browser: state, nonce and code verifier are all made of one secret that only the browser's
cookie holds, so nothing that is stored on this side is of use to anybody.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from deskhand.errors import UnauthenticatedError, UnavailableError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.oidc.tokens import TokenRefusedError, key_id, proven_claims, signing_key
from deskhand.kit.oidc.wire import Metadata, Relation, Wire

KEPT = timedelta(hours=1)
KEYS_AGAIN = timedelta(minutes=1)
"""How soon a provider's keys may be read again because a token names one that is not among them: a key may have been
changed, and anybody can make up a name."""
FAILURE_KEPT = timedelta(seconds=10)
MOST_KEPT = 500
MAX_CODE = 4000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One browser's secret, and what is made of it."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        """Comes back with the browser."""
        return self._made_for("state")

    @property
    def nonce(self) -> str:
        """Comes back inside the token."""
        return self._made_for("nonce")

    @property
    def verifier(self) -> str:
        """Shown with the code, by us."""
        return self._made_for("verifier")

    @property
    def challenge(self) -> str:
        """Shown beforehand (RFC 7636, S256)."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def _made_for(self, purpose: str) -> str:
        return _base64(hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who somebody is, by the provider's word.

    Attributes:
        subject: The provider's own name for the person, never given to another one.
        claims: What else it says.
        methods: How the person showed it there (``amr``, RFC 8176), by the signed token alone.
        id_token: Its word itself, by which it knows the person again at sign-out.
    """

    subject: str
    claims: Mapping[str, Any] = field(repr=False)
    methods: frozenset[str] = frozenset()
    id_token: str = field(repr=False)


@dataclass(slots=True)
class _Kept:
    """What is known of one provider, or why nothing is."""

    metadata: Metadata | None = None
    failure: UnavailableError | None = None
    read_at: datetime | None = None
    keys: list[Key] = field(default_factory=list)
    keys_read_at: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class OidcClient:
    """Sign-ins with any number of providers; what they say of themselves is kept for all of them.

    Args:
        http: The one door out.
    """

    def __init__(self, http: HttpClientFactory) -> None:
        self._wire = Wire(http)
        self._kept: dict[str, _Kept] = {}

    def may_call(self, address: str) -> bool:
        """As ``Wire.may_call``."""
        return self._wire.may_call(address)

    async def metadata(self, relation: Relation, *, now: datetime) -> Metadata:
        """What the provider says of itself, an hour old at most.

        Raises:
            UnavailableError: It does not answer, or not in a way that can be used.
        """
        kept = self._kept_of(relation)
        async with kept.lock:
            if kept.failure is not None and kept.read_at is not None and now - kept.read_at < FAILURE_KEPT:
                raise UnavailableError(kept.failure.detail, retry_after=FAILURE_KEPT.total_seconds())
            if kept.metadata is None or kept.read_at is None or now - kept.read_at >= KEPT:
                kept.read_at, kept.metadata, kept.failure = now, None, None
                try:
                    kept.metadata = await self._wire.metadata(relation)
                except UnavailableError as error:
                    kept.failure = error  # a provider that is down is not asked once for each person who waits for it
                    raise
            return kept.metadata

    async def sign_in_address(self, relation: Relation, attempt: Attempt, *, redirect_uri: str, now: datetime) -> str:
        """Where the browser goes to sign in at the provider.

        Raises:
            UnavailableError: As ``metadata``.
        """
        metadata = await self.metadata(relation, now=now)
        return _with_query(
            metadata.authorization_endpoint,
            {
                "response_type": "code",
                "client_id": relation.client_id,
                "redirect_uri": redirect_uri,
                "scope": relation.scopes,
                "state": attempt.state,
                "nonce": attempt.nonce,
                "code_challenge": attempt.challenge,
                "code_challenge_method": "S256",
            },
        )

    async def check_sender(self, relation: Relation, iss: str | None, *, now: datetime) -> None:
        """Refuse an answer that another provider sent (RFC 9207).

        Raises:
            UnauthenticatedError: It names another issuer, or none where the provider says that it names itself.
        """
        metadata = await self.metadata(relation, now=now)
        if iss is None and not metadata.authorization_response_iss_parameter_supported:
            return
        if iss != relation.issuer:
            raise self._refusal(relation, "the answer names another issuer")

    async def identity(
        self, relation: Relation, attempt: Attempt, *, code: str, redirect_uri: str, now: datetime
    ) -> Identity:
        """Exchange the code for the provider's word on who it is.

        Raises:
            UnauthenticatedError: The provider refuses the code, or its word does not hold.
            UnavailableError: As ``metadata``.
        """
        metadata = await self.metadata(relation, now=now)
        tokens = await self._exchange(relation, metadata, attempt, code=code, redirect_uri=redirect_uri)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise self._refusal(relation, "there is no ID token")
        try:
            key = await self._key_for(relation, metadata, id_token, now=now)
            claims = proven_claims(
                id_token, key, issuer=relation.issuer, client_id=relation.client_id, nonce=attempt.nonce, now=now
            )
        except TokenRefusedError as error:
            raise self._refusal(relation, str(error)) from error
        subject, methods = str(claims["sub"]), _methods(claims)
        if metadata.userinfo_endpoint and isinstance(access_token, str):
            claims = {**await self._userinfo(relation, metadata.userinfo_endpoint, access_token, subject), **claims}
        return Identity(subject=subject, claims=claims, methods=methods, id_token=id_token)

    async def sign_out_address(self, relation: Relation, *, id_token: str, back_to: str, now: datetime) -> str | None:
        """Where the browser goes to sign out at the provider, too; None where the provider has no such place."""
        metadata = await self.metadata(relation, now=now)
        if metadata.end_session_endpoint is None:
            return None
        return _with_query(
            metadata.end_session_endpoint,
            {"id_token_hint": id_token, "client_id": relation.client_id, "post_logout_redirect_uri": back_to},
        )

    async def _exchange(
        self, relation: Relation, metadata: Metadata, attempt: Attempt, *, code: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code[:MAX_CODE],
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {}
        methods = metadata.token_endpoint_auth_methods_supported
        if "client_secret_basic" in methods or "client_secret_post" not in methods:
            # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
            pair = f"{quote_plus(relation.client_id)}:{quote_plus(relation.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": relation.client_id, "client_secret": relation.client_secret}
        status, answer = await self._wire.post(relation, metadata.token_endpoint, form, headers=headers)
        if status == 200:
            return answer
        error = str(answer.get("error"))[:100]
        if error in ("invalid_client", "unauthorized_client"):
            log.warning("oidc_client_refused", provider=relation.name, error=error)
            raise UnavailableError(
                f"{relation.name} refuses this installation's client id or secret; ask an administrator to renew it."
            )
        if status >= 500:
            raise self._wire.useless(relation)
        raise self._refusal(relation, f"the code is refused: {error}")

    async def _userinfo(self, relation: Relation, address: str, access_token: str, subject: str) -> Mapping[str, Any]:
        """What the provider tells only when asked. The token's own claims, which are signed, win over these."""
        userinfo = await self._wire.read(relation, address, bearer=access_token)
        # Core, section 5.3.2: of another person, it may have been put in the place of this one's.
        if userinfo.get("sub") != subject:
            raise self._refusal(relation, "userinfo is of another person")
        return userinfo

    async def _key_for(self, relation: Relation, metadata: Metadata, token: str, *, now: datetime) -> Key:
        key_id(token)  # before anything is fetched: what cannot be accepted costs no call
        kept = self._kept_of(relation)
        async with kept.lock:
            fresh = kept.keys_read_at is not None and now - kept.keys_read_at < KEPT
            key = signing_key(kept.keys, token) if fresh else None
            if key is None and (kept.keys_read_at is None or now - kept.keys_read_at >= KEYS_AGAIN):
                kept.keys = _usable_keys(await self._wire.read(relation, metadata.jwks_uri))
                kept.keys_read_at = now
                key = signing_key(kept.keys, token)
        if key is None:
            raise TokenRefusedError("none of the provider's keys has signed it")
        return key

    def _kept_of(self, relation: Relation) -> _Kept:
        if len(self._kept) >= MOST_KEPT and relation.issuer not in self._kept:
            del self._kept[next(iter(self._kept))]
        return self._kept.setdefault(relation.issuer, _Kept())

    def _refusal(self, relation: Relation, reason: str) -> UnauthenticatedError:
        log.warning("oidc_sign_in_refused", provider=relation.name, reason=reason)
        return UnauthenticatedError(f"The sign-in with {relation.name} could not be verified. Please try again.")


def _methods(claims: Mapping[str, Any]) -> frozenset[str]:
    """The words of ``amr``, which is a list (Core, section 2); of anything else there are none."""
    said = claims.get("amr")
    return frozenset(one for one in said if isinstance(one, str)) if isinstance(said, list) else frozenset()


def _usable_keys(document: Mapping[str, Any]) -> list[Key]:
    keys: list[Key] = []
    for one in document.get("keys") or ():
        try:
            keys += KeySet.import_key_set({"keys": [one]}).keys
        # A set may hold kinds of keys that came later than this code; the others are still good.
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return keys


def _with_query(address: str, values: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(values)}"


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
