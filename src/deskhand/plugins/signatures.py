"""How a sender proves a webhook: pure checks, no I/O, the clock passed in. Every scheme stands here.

A ``Scheme`` reads what a request claims (``Claim``) and computes what a signature over it must
be. ``verify`` compares in constant time, tries every secret in force, and holds the replay window
where the timestamp is part of what is signed. Signatures are compared as text, not decoded, so
that two spellings of the same bytes (base64 is malleable) are not both accepted.

What names a delivery is what was signed. A vendor's delivery header that the signature does not cover is
anybody's to change, so a captured request with another such header is the same event, not a new one.

An empty secret never verifies, and a request that uses none of the schemes is refused.
The test vectors come from the vendors' own pages (see ``tests/plugins/test_signatures.py``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from deskhand.errors import SignatureError
from deskhand.kit.crypto import same_secret
from deskhand.kit.times import read_epoch, read_instant
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.events import VerifiedWebhook, WebhookRequest

REPLAY_WINDOW = timedelta(seconds=300)
BODY_WINDOW = timedelta(hours=24)
"""How old an event may be by the time in its own signed body, where no signed header bounds a replay."""

_EPOCH = re.compile(r"[1-9][0-9]{0,11}")
_ZONE = re.compile(r"(Z|[+-][0-9:.]+)\Z")
_Answer = TypeVar("_Answer")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """What one request says about itself.

    Attributes:
        signatures: Candidate signatures as sent; one that fits is enough.
        body: Raw body.
        message_id: Id that is part of the signed text, where the scheme has one.
        timestamp: Timestamp exactly as signed.
        sent_at: The same as a datetime, where the scheme signs one.
    """

    signatures: tuple[str, ...]
    body: bytes
    message_id: str = ""
    timestamp: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way of signing.

    Attributes:
        name: Shown in the delivery log.
        read: The claim in a request; None if the request does not use this scheme.
        expected: The signature a claim must carry under a secret.
        window: How far a signed timestamp may be from now, either way.
    """

    name: str
    read: Callable[[WebhookRequest], Claim | None]
    expected: Callable[[str, Claim], str]
    window: timedelta = REPLAY_WINDOW


def verify(
    request: WebhookRequest, *, schemes: Sequence[Scheme], secrets: Sequence[str], now: datetime
) -> tuple[Scheme, Claim]:
    """Prove where a request comes from.

    The first scheme whose headers are present decides: a wrong strong signature is not rescued
    by a weaker one beside it.

    Args:
        request: Raw request, header names in lower case.
        schemes: Accepted schemes, strongest first.
        secrets: Secrets in force; empty ones are passed over.
        now: Current time (aware).

    Returns:
        The scheme that held and the claim it proved.

    Raises:
        SignatureError: No scheme is used, the timestamp is outside the window, or nothing fits.
    """
    for scheme in schemes:
        claim = scheme.read(request)
        if claim is None:
            continue
        # Before the signatures: a captured request fits its secret for ever, and its time alone tells that it is old.
        _check_window(scheme, claim, now)
        if not _any_fits(scheme, claim, secrets):
            raise SignatureError(f"The {scheme.name} signature does not match any secret in force.")
        return scheme, claim
    names = ", ".join(scheme.name for scheme in schemes)
    raise SignatureError(f"The request carries no signature; accepted: {names}.")


class BodyReader(Protocol):
    """What a desk can say of a body that it alone understands; ``TicketingToolPlugin`` has both."""

    @classmethod
    def delivery_id(cls, request: WebhookRequest) -> str | None:
        """See ``TicketingToolPlugin.delivery_id``."""

    @classmethod
    def sent_at(cls, request: WebhookRequest) -> datetime | None:
        """See ``TicketingToolPlugin.sent_at``."""


def prove(
    request: WebhookRequest,
    *,
    schemes: Sequence[Scheme],
    readers: Sequence[type[BodyReader]],
    secrets: Sequence[str],
    now: datetime,
) -> VerifiedWebhook:
    """Prove where a request comes from, and name the delivery by what was signed.

    Args:
        request: Raw request.
        schemes: Accepted schemes, strongest first.
        readers: Desks that may know the body.
        secrets: Secrets in force.
        now: Current time.

    Raises:
        SignatureError: Nothing fits, or the request is too old; the detail names the part that failed.
    """
    scheme, claim = verify(request, schemes=schemes, secrets=secrets, now=now)
    if claim.message_id:
        return VerifiedWebhook(delivery_id=claim.message_id, scheme=scheme.name)
    # No signed header bounds a replay here, so the body's own time has to, as far as the desk writes one.
    if claim.sent_at is None:
        _check_age_of_body(request, readers, now)
    return VerifiedWebhook(delivery_id=_name_by_body(request, readers), scheme=scheme.name)


def _check_age_of_body(request: WebhookRequest, readers: Sequence[type[BodyReader]], now: datetime) -> None:
    for reader in readers:
        sent = _asked(reader.sent_at, request)
        # Either way: a time far ahead would let the same request be sent again until that time has passed.
        if sent is not None and abs(now - sent) > BODY_WINDOW:
            raise SignatureError(
                "The event's own timestamp differs from this server's clock by more than"
                f" {BODY_WINDOW.total_seconds() / 3600:.0f} hours."
            )


def _name_by_body(request: WebhookRequest, readers: Sequence[type[BodyReader]]) -> str:
    # A digest of the body names the event where no desk knows better, so that a desk's own retry is the same delivery.
    names = (_asked(reader.delivery_id, request) for reader in readers)
    return next(filter(None, names), None) or "sha256-" + hashlib.sha256(request.body).hexdigest()


def _asked(question: Callable[[WebhookRequest], _Answer | None], request: WebhookRequest) -> _Answer | None:
    """The answer; None where the body is not readable, which whoever reads the event says in words."""
    try:
        return question(request)
    except NotAVendorPayloadError:
        return None


def _check_window(scheme: Scheme, claim: Claim, now: datetime) -> None:
    if claim.sent_at is not None and abs(now - claim.sent_at) > scheme.window:
        off = (now - claim.sent_at).total_seconds()
        raise SignatureError(
            f"The {scheme.name} timestamp differs from this server's clock by more than"
            f" {scheme.window.total_seconds():.0f} seconds: it is {abs(off):.0f} seconds"
            f" {'behind' if off > 0 else 'ahead'}."
        )


def _any_fits(scheme: Scheme, claim: Claim, secrets: Sequence[str]) -> bool:
    fits = False
    # Several are in force while a webhook's secret is rotated: the desk signs with the old one until a person changes
    # it.
    for secret in secrets:
        if not secret:
            continue
        expected = scheme.expected(secret, claim)
        for candidate in claim.signatures:
            fits |= same_secret(expected, candidate)  # no early exit: time must not tell which one fits
    return fits


def hmac_sha256(key: str | bytes, message: bytes) -> bytes:
    """HMAC-SHA-256; a text key is used literally, as UTF-8."""
    return hmac.new(key.encode() if isinstance(key, str) else key, message, hashlib.sha256).digest()


def at_epoch(seconds: str) -> datetime | None:
    """Whole seconds since 1970 as a datetime; None for anything but canonical digits."""
    return read_epoch(seconds) if _EPOCH.fullmatch(seconds) else None


# -- Standard Webhooks (standardwebhooks.com) ---------------------------------------------------


def _read_standard(request: WebhookRequest) -> Claim | None:
    signature = request.headers.get("webhook-signature")
    if signature is None:
        return None
    message_id, timestamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    sent_at = at_epoch(timestamp)
    if not _VISIBLE_ASCII.fullmatch(message_id) or sent_at is None:
        raise SignatureError("The Standard Webhooks headers webhook-id and webhook-timestamp are missing or malformed.")
    # Several signatures in one header are the standard's way to rotate a secret; "v1a" is the asymmetric scheme.
    candidates = tuple(part for part in signature.split(" ") if part.startswith("v1,"))
    return Claim(candidates, request.body, message_id, timestamp, sent_at)


def standard_key(secret: str) -> bytes:
    """The key in a Standard Webhooks secret: base64 after ``whsec_``; any other text is the key itself.

    A wrong or empty ``whsec_`` secret gives an empty key.
    """
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        encoded = secret.removeprefix("whsec_")
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        return b""


def _standard_signature(secret: str, claim: Claim) -> str:
    """Over the bytes as they came: a body in another encoding than UTF-8 is signed as rightly as any."""
    key = standard_key(secret)
    if not key:
        return ""  # compares unequal to everything
    signed = f"{claim.message_id}.{claim.timestamp}.".encode() + claim.body
    return "v1," + base64.b64encode(hmac_sha256(key, signed)).decode()


STANDARD_WEBHOOKS = Scheme(name="Standard Webhooks", read=_read_standard, expected=_standard_signature)


def standard_headers(secret: str, body: bytes, *, message_id: str, now: datetime) -> dict[str, str]:
    """Headers that a Standard Webhooks sender adds; the timestamp is that of the attempt."""
    # The standard signs whole seconds; a fraction would make the sender's text differ from what the receiver computes.
    whole = now.replace(microsecond=0)
    claim = Claim((), body, message_id, str(int(whole.timestamp())), whole)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": claim.timestamp,
        "webhook-signature": _standard_signature(secret, claim),
    }


# -- X-Hub-Signature (WebSub, section 7; GitHub and Jira use it with sha256) ----------------------


def _hub_scheme(header_name: str) -> Scheme:
    def read(request: WebhookRequest) -> Claim | None:
        value = request.headers.get(header_name)
        return None if value is None else Claim((value,), request.body)

    def expected(secret: str, claim: Claim) -> str:
        return "sha256=" + hmac_sha256(secret, claim.body).hex()

    return Scheme(name=header_name, read=read, expected=expected)


HUB_SIGNATURE_256 = _hub_scheme("x-hub-signature-256")
HUB_SIGNATURE = _hub_scheme("x-hub-signature")


def hub_headers(secret: str, body: bytes, *, header_name: str = "X-Hub-Signature-256") -> dict[str, str]:
    """The header a WebSub-style sender adds."""
    return {header_name: "sha256=" + hmac_sha256(secret, body).hex()}


# -- Zendesk (base64 of HMAC over timestamp + body, key used literally) ---------------------------


def _read_zendesk(request: WebhookRequest) -> Claim | None:
    signature = request.headers.get("x-zendesk-webhook-signature")
    if signature is None:
        return None
    timestamp = request.headers.get("x-zendesk-webhook-signature-timestamp", "")
    # A time without a zone could be moved by hours and still be within the window.
    sent_at = read_instant(timestamp) if _ZONE.search(timestamp) else None
    if sent_at is None:
        raise SignatureError("The header x-zendesk-webhook-signature-timestamp is missing or malformed.")
    return Claim((signature,), request.body, timestamp=timestamp, sent_at=sent_at)


def _zendesk_signature(secret: str, claim: Claim) -> str:
    return base64.b64encode(hmac_sha256(secret, claim.timestamp.encode() + claim.body)).decode()


# Zendesk is not documented to renew the timestamp on a retry, so its window covers the retries.
ZENDESK = Scheme(name="Zendesk", read=_read_zendesk, expected=_zendesk_signature, window=timedelta(minutes=15))

ZENDESK_TEST_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105 - public: every account has it


def _zendesk_private_signature(secret: str, claim: Claim) -> str:
    """The "test webhook" button signs with one secret for everybody; it fits and proves nothing."""
    return "" if secret == ZENDESK_TEST_SECRET else _zendesk_signature(secret, claim)


ZENDESK_SAVED = replace(ZENDESK, expected=_zendesk_private_signature)
"""What a saved webhook sends, and the only one that is accepted."""


def zendesk_headers(secret: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """The two signature headers of a Zendesk webhook."""
    timestamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = _zendesk_signature(secret, Claim((), body, timestamp=timestamp))
    return {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": timestamp}


# -- ServiceNow: signed by the business rule we ship ----------------------------------------------


def _read_servicenow(request: WebhookRequest) -> Claim | None:
    signature = request.headers.get("x-itsm-signature")
    if signature is None:
        return None
    message_id, timestamp = request.headers.get("x-itsm-id", ""), request.headers.get("x-itsm-timestamp", "")
    sent_at = at_epoch(timestamp)
    if not _VISIBLE_ASCII.fullmatch(message_id) or sent_at is None:
        raise SignatureError("The headers x-itsm-id and x-itsm-timestamp are missing or malformed.")
    candidates = tuple(part for part in signature.split(" ") if part.startswith("v1,"))
    return Claim(candidates, request.body, message_id, timestamp, sent_at)


def _servicenow_signature(secret: str, claim: Claim) -> str:
    signed = f"{claim.message_id}.{claim.timestamp}.".encode() + claim.body
    return "v1," + base64.b64encode(hmac_sha256(secret, signed)).decode()


SERVICENOW = Scheme(name="X-Itsm-Signature", read=_read_servicenow, expected=_servicenow_signature)


def servicenow_headers(secret: str, body: bytes, *, message_id: str, now: datetime) -> dict[str, str]:
    """The headers our ServiceNow business rule adds."""
    timestamp = str(int(now.timestamp()))
    signature = _servicenow_signature(secret, Claim((), body, message_id, timestamp))
    return {"X-Itsm-Id": message_id, "X-Itsm-Timestamp": timestamp, "X-Itsm-Signature": signature}


# -- static token: proves the sender, not the body; whoever accepts it must re-fetch the ticket ---


def static_token(header_name: str = "x-itsm-token") -> Scheme:
    """A shared secret sent as it is, for desks that cannot sign."""

    def read(request: WebhookRequest) -> Claim | None:
        value = request.headers.get(header_name)
        return None if value is None else Claim((value,), request.body)

    return Scheme(name=header_name, read=read, expected=lambda secret, _claim: secret)


STATIC_TOKEN = static_token()

GENERIC_SCHEMES = (STANDARD_WEBHOOKS, HUB_SIGNATURE_256)
"""What an agent's own webhook trigger accepts from any sender."""
