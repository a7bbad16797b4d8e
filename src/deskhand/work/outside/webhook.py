"""Signed events by the Standard Webhooks specification: one id however often it is sent, and a time of its own each."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.errors import ForbiddenError
from deskhand.kit.clock import utc_now
from deskhand.kit.outside import Answer, Outgoing, OutsideError
from deskhand.plugins.signatures import hmac_sha256, standard_key
from deskhand.tenants.outside import Receiver, WebhookSettings
from deskhand.tools.outside import WEBHOOK
from deskhand.tools.values import ToolOperation
from deskhand.work.outside.places import Errand, Places, ensure_taken

EVENT_BYTES = 20_000
"""What the specification calls small; a receiver that needs more asks for it by an id."""
_LATER = (408, 425, 429)


class WebhookPlaces(Places):
    """Receivers of one tenant.

    Args:
        settings: The tenant's receivers.
        happened: Time that the events state; the same on each attempt of a run.
    """

    provider = WEBHOOK
    what = "receiver"

    def __init__(self, settings: WebhookSettings, happened: datetime) -> None:
        self._settings = settings
        self._happened = happened

    @property
    def names(self) -> Sequence[str]:
        return self._settings.places

    def errand(self, _operation: ToolOperation, args: Mapping[str, Any]) -> Errand:
        name = str(args["endpoint"])
        self.ensure_known(name)
        receiver = self._settings.endpoints[name]
        place = f"The receiver '{name}'"
        event = {"type": args["type"], "timestamp": self._happened.isoformat(), "data": args["data"]}
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) > EVENT_BYTES:
            raise ForbiddenError(f"An event has at most {EVENT_BYTES} bytes, and this one {len(body)}: send less data.")

        def request(mark: str) -> Outgoing:
            return Outgoing(
                place=place,
                method="POST",
                url=receiver.url.get_secret_value(),
                headers={"Content-Type": "application/json", **signed_headers(receiver, mark, body, utc_now())},
                body=body,
                secrets=_secrets(receiver),
            )

        def result(answer: Answer) -> dict[str, Any]:
            if answer.status == 410:
                raise OutsideError(f"{place} answered 410: it wants no more events. Take it out of the settings.")
            ensure_taken(place, answer, passing=_LATER)
            return {}

        facts = {"endpoint": name, "type": args["type"]}
        trace = {"target": WEBHOOK.tool_id, **facts, "data": args["data"]}
        return Errand(place=place, trace=trace, facts=facts, request=request, result=result)


def signed_headers(receiver: Receiver, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers of the specification; one signature for each secret in force.

    Args:
        receiver: Whose secrets.
        message_id: Stays over repeats: by it a receiver knows what it has seen.
        body: As it is sent.
        now: Of this attempt: a receiver refuses an old one, so that nobody plays a recording back.
    """
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    secrets = [one.get_secret_value() for one in (receiver.secret, receiver.previous_secret) if one is not None]
    signatures = ["v1," + base64.b64encode(hmac_sha256(standard_key(one), signed)).decode() for one in secrets]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def _secrets(receiver: Receiver) -> tuple[str, ...]:
    hidden = (receiver.url, receiver.secret, receiver.previous_secret)
    return tuple(one.get_secret_value() for one in hidden if one is not None)
