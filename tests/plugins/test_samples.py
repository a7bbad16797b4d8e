"""The event that a webhook is tried with: each desk takes it for its own, and none for the one before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deskhand.errors import SignatureError
from deskhand.plugins.contract import TicketEvent, TicketingToolPlugin
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.samples import sample_event
from deskhand.plugins.signatures import STATIC_TOKEN

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
SECRET = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"
TICKETS = {"servicenow": "9d385017c611228701d22104cc95c371"}


@pytest.mark.parametrize("tool_type", BUILT_IN)
def test_a_desk_takes_its_sample_for_a_change_of_the_ticket_that_it_sent(tool_type: str) -> None:
    plugin, ticket = BUILT_IN[tool_type], TICKETS.get(tool_type, "1042")
    event = sample_event(plugin, ticket_id=ticket, secret=SECRET, now=NOW)
    assert event is not None
    proven = plugin.validate_webhook(event, secrets=[SECRET], now=NOW)
    assert proven.scheme == plugin.signature_schemes[0].name
    read = plugin.extract_metadata(event)
    assert isinstance(read, TicketEvent)
    assert (read.ticket.tool_type, read.ticket.ticket_id) == (tool_type, ticket)
    assert read.event in plugin.manifest.events
    with pytest.raises(SignatureError):
        plugin.validate_webhook(event, secrets=["another" * 6], now=NOW)
    later = sample_event(plugin, ticket_id=ticket, secret=SECRET, now=NOW + timedelta(seconds=1))
    assert later is not None
    again = plugin.validate_webhook(later, secrets=[SECRET], now=NOW + timedelta(seconds=1))
    assert again.delivery_id != proven.delivery_id


def test_a_desk_without_a_sample_or_with_a_way_of_its_own_to_sign_has_none() -> None:
    plugin = BUILT_IN["jira"]

    class NoSample(plugin):  # type: ignore[valid-type, misc]
        manifest = replace(plugin.manifest, sample_event=None)

    class OwnWay(plugin):  # type: ignore[valid-type, misc]
        signature_schemes = (STATIC_TOKEN,)

    for odd in (NoSample, OwnWay):
        assert issubclass(odd, TicketingToolPlugin)
        assert sample_event(odd, ticket_id="1", secret=SECRET, now=NOW) is None
