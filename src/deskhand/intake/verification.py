"""Who sent this? Generic signature schemes first, then the vendor's own through its plugin. Pure."""

from __future__ import annotations

import hashlib
import secrets as random_source
from collections.abc import Sequence
from datetime import datetime

from deskhand.errors import SignatureError
from deskhand.plugins.contract import TicketingToolPlugin, VerifiedWebhook, WebhookRequest
from deskhand.plugins.signatures import GENERIC_SCHEMES, STANDARD_WEBHOOKS, verify

# Ids that senders of X-Hub-Signature give a delivery; without one the body itself is the id.
DELIVERY_HEADERS = ("x-atlassian-webhook-identifier", "x-github-delivery", "x-request-id", "idempotency-key")

_DECOY = random_source.token_hex(32)


def verify_delivery(
    request: WebhookRequest, *, secrets: Sequence[str], plugins: Sequence[type[TicketingToolPlugin]], now: datetime
) -> VerifiedWebhook:
    """Prove where a delivery comes from.

    Args:
        request: Raw request.
        secrets: The trigger's secrets in force.
        plugins: Desks the agent works on; their own schemes are tried when no generic header is there.
        now: Current time.

    Raises:
        SignatureError: Nothing fits; the detail names the part that failed.
    """
    if any(scheme.read(request) is not None for scheme in GENERIC_SCHEMES):
        scheme, claim = verify(request, schemes=GENERIC_SCHEMES, secrets=secrets, now=now)
        delivery_id = claim.message_id if scheme is STANDARD_WEBHOOKS else _delivery_id(request)
        return VerifiedWebhook(delivery_id=delivery_id, scheme=scheme.name)
    failure: SignatureError | None = None
    for plugin in plugins:
        try:
            return plugin.validate_webhook(request, secrets=secrets, now=now)
        except SignatureError as error:
            failure = failure or error
    raise failure or SignatureError("The request carries no signature; send Standard Webhooks headers.")


def verify_against_nothing(request: WebhookRequest, *, now: datetime) -> None:
    """Do the work of a verification that cannot succeed, so that an unknown agent takes as long as a known one."""
    try:
        verify_delivery(request, secrets=[_DECOY], plugins=(), now=now)
    except SignatureError:
        return


def _delivery_id(request: WebhookRequest) -> str:
    for name in DELIVERY_HEADERS:
        if value := request.headers.get(name):
            return value[:255]
    return "sha256-" + hashlib.sha256(request.body).hexdigest()
