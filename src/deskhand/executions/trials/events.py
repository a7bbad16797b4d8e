"""What an event that somebody pasted would start. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.plugins.contract import Ignored, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.registry import PluginManager

TICKET_CHARACTERS = 100  # agent_executions.ticket_ref


def ticket_of_event(
    payload: dict[str, Any], desks: Sequence[str], plugins: PluginManager, *, plain: str | None
) -> TicketMetadata:
    """The ticket that an event is about, as the first of the desks that knows the event tells it.

    Args:
        payload: The event.
        desks: Tool types that may have sent it.
        plugins: Registered desks.
        plain: The desk of an event that is none's and has a ``ticket_id``; None where only desks send events.

    Raises:
        InvalidInputError: No desk sends such an event, or it is one that starts nothing.
    """
    request = WebhookRequest(headers={}, body=json.dumps(payload).encode())
    failure = "no desk of this agent sends such an event"
    for number, tool_type in enumerate(desks):
        try:
            event = plugins.get_plugin(tool_type).extract_metadata(request)
        except NotAVendorPayloadError as error:
            # The first desk's sentence, as at the door: the others say only that it is not theirs.
            failure = failure if number else error.detail.rstrip(".")
            continue
        if isinstance(event, Ignored):
            name = plugins.names[tool_type]
            raise invalid("/payload", f"{name} sends this as '{event.event}', which starts nothing: {event.reason}")
        return _fitting(event.ticket)
    ticket_id = payload.get("ticket_id")
    if plain is None or isinstance(ticket_id, bool) or not isinstance(ticket_id, str | int):
        raise invalid("/payload", failure)
    return _fitting(TicketMetadata(tool_type=plain, ticket_id=str(ticket_id)))


def invalid(pointer: str, detail: str) -> InvalidInputError:
    """One fault, as a sentence and beside its field."""
    sentence = detail.rstrip(".")
    return InvalidInputError(f"{sentence[:1].upper()}{sentence[1:]}.", errors=[FieldProblem(pointer, sentence)])


def _fitting(ticket: TicketMetadata) -> TicketMetadata:
    if not 0 < len(ticket.ticket_id) <= TICKET_CHARACTERS:
        raise invalid("/payload", f"the id of its ticket must have 1 to {TICKET_CHARACTERS} characters")
    return ticket
