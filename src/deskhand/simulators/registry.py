"""Simulators by tool type, for ``deskhand simulator``, the demo and the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette

from deskhand.plugins.errors import PluginNotFoundError
from deskhand.simulators.base import DeskSimulator, serve
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.servicedesk_plus.simulator import ServiceDeskPlusSimulator
from deskhand.simulators.servicenow.simulator import ServiceNowSimulator
from deskhand.simulators.zendesk.simulator import ZendeskSimulator

SIMULATORS: dict[str, Callable[..., DeskSimulator]] = {
    "servicedesk_plus": ServiceDeskPlusSimulator,
    "servicenow": ServiceNowSimulator,
    "zendesk": ZendeskSimulator,
    "jira": JiraSimulator,
}


def make_simulator(tool_type: str, **options: Any) -> DeskSimulator:
    """A simulator object; ``.build()`` makes its ASGI app.

    Args:
        tool_type: As registered.
        **options: ``api_key`` and what else the desk's simulator takes.

    Raises:
        PluginNotFoundError: No simulator has that name.
    """
    try:
        factory = SIMULATORS[tool_type]
    except KeyError:
        raise PluginNotFoundError(tool_type) from None
    return factory(**options)


def build_simulator(tool_type: str, **options: Any) -> Starlette:
    """The ASGI app of a simulator; the object itself is ``app.state.simulator``."""
    return make_simulator(tool_type, **options).build()


__all__ = ["SIMULATORS", "build_simulator", "make_simulator", "serve"]
