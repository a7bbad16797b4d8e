"""Opens what a run may do outside its desks: each tool that it is granted and that the tenant has set up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deskhand.kit.crypto import SecretBox
from deskhand.tenants.outside import ChatSettings, HttpSettings, OutsideSettings, WebhookSettings, outside_settings
from deskhand.tools.outside import OUTSIDE
from deskhand.tools.values import Provider
from deskhand.work.outside.chat import ChatPlaces
from deskhand.work.outside.hands import OutsideHands
from deskhand.work.outside.hosts import HostPlaces
from deskhand.work.outside.places import Places
from deskhand.work.outside.webhook import WebhookPlaces
from deskhand.work.run import Run


def open_outside(run: Run, secrets: SecretBox, **shared: Any) -> Iterator[OutsideHands]:
    """The hands of a run outside, in the catalogue's order; a tool that is not set up any more is not there.

    Args:
        run: Whose grants and tenant.
        secrets: Decrypts the tenant's settings.
        **shared: What all hands of the run have in common.
    """
    grants = run.grants
    settings = outside_settings(run.tenant, secrets) if any(one.tool_id in grants for one in OUTSIDE) else {}
    for provider in OUTSIDE:
        if grants.get(provider.tool_id) and provider.tool_id in settings:
            yield OutsideHands(
                places=_places(provider, settings[provider.tool_id], run),
                grants=grants[provider.tool_id],
                journal=run.journal,
                http=run.http,
                actor=run.actor,
                kept_inside=(run.version.system_prompt,),
                **shared,
            )


def _places(provider: Provider, settings: OutsideSettings, run: Run) -> Places:
    if isinstance(settings, WebhookSettings):
        return WebhookPlaces(settings, run.execution.queued_at)
    if isinstance(settings, HttpSettings):
        return HostPlaces(settings)
    assert isinstance(settings, ChatSettings)  # the fourth there is
    return ChatPlaces(provider, settings)
