"""Who sent this? Every scheme that an agent's desks and its own address accept, tried in one pass. Pure."""

from __future__ import annotations

import secrets as random_source
from collections.abc import Sequence
from datetime import datetime

from deskhand.errors import SignatureError
from deskhand.plugins.contract import TicketingToolPlugin, VerifiedWebhook, WebhookRequest
from deskhand.plugins.signatures import GENERIC_SCHEMES, prove

# Made at start and written nowhere, so that nobody can sign with it.
_DECOY = random_source.token_hex(32)


def verify_delivery(
    request: WebhookRequest, *, secrets: Sequence[str], plugins: Sequence[type[TicketingToolPlugin]], now: datetime
) -> VerifiedWebhook:
    """Prove where a delivery comes from.

    Args:
        request: Raw request.
        secrets: The trigger's secrets in force.
        plugins: Desks the agent works on; their own schemes count after the generic ones.
        now: Current time.

    Raises:
        SignatureError: Nothing fits; the detail names the part that failed.
    """
    vendors = [scheme for plugin in plugins for scheme in plugin.signature_schemes]
    schemes = tuple(dict.fromkeys((*GENERIC_SCHEMES, *vendors)))
    return prove(request, schemes=schemes, readers=plugins, secrets=secrets, now=now)


def refuse_unknown_address(
    request: WebhookRequest, *, plugins: Sequence[type[TicketingToolPlugin]], now: datetime
) -> SignatureError:
    """The refusal of an address that leads nowhere: what a wrong signature at a known one gets, after the same work."""
    # Without the same work for an address that leads nowhere, a stranger could tell by the time which agents exist.
    try:
        verify_delivery(request, secrets=[_DECOY], plugins=plugins, now=now)
    except SignatureError as error:
        return error
    raise AssertionError("nobody signs with a secret that nobody was told")
