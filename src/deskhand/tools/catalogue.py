"""The catalogue: every tool an installation knows, and whether what somebody wants to grant exists in it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from deskhand.errors import FieldProblem
from deskhand.kit.pointer import pointer
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.registry import PluginManager, is_beside_desks
from deskhand.tools import desk
from deskhand.tools.asking import ASK, REPLY
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.mail import MAIL
from deskhand.tools.outside import OUTSIDE
from deskhand.tools.values import Grants, Kind, Mode, Provider, Scope

BUILT_IN = (KNOWLEDGE, MAIL, *OUTSIDE)
"""Tools that are no desk."""

NAMES = frozenset(one.name for one in desk.OPERATIONS) | {one.name for tool in BUILT_IN for one in tool.operations}
"""Every operation that a tool of the installation may have; a tenant's own sources have others."""

# Reading and an internal note, and nothing that a requester would see.
DESK_DEFAULT = ("get_ticket", "search_tickets", "list_history", "list_values", "add_note")
"""What a desk's grant is where none is named."""


def providers(plugins: PluginManager) -> list[Provider]:
    """Every tool: the registered desks, then the others."""
    desks = [desk.provider_of(plugins.get_plugin(tool_type).manifest) for tool_type in plugins.tool_types]
    return [*desks, *BUILT_IN]


def find_provider(tool_id: str, plugins: PluginManager, sources: Sequence[Provider] = ()) -> Provider:
    """The tool of that id.

    Args:
        tool_id: As an agent names it.
        plugins: Registered desks.
        sources: The tenant's own (``tools.sources``).

    Raises:
        PluginNotFoundError: There is none.
    """
    known = next((one for one in (*BUILT_IN, *sources) if one.tool_id == tool_id), None)
    if known is None and is_beside_desks(tool_id):
        raise PluginNotFoundError(tool_id, [one.tool_id for one in (*BUILT_IN, *sources)])
    return known or desk.provider_of(plugins.get_plugin(tool_id).manifest)


def default_grants(provider: Provider) -> list[str]:
    """Operations an agent gets where only the tool is named: reading, and on a desk its notes."""
    if provider.kind is Kind.DESK:
        return [name for name in DESK_DEFAULT if provider.operation(name)]
    return [one.name for one in provider.operations if not one.is_write]


def grant_faults(provider: Provider, grants: Grants) -> Iterator[FieldProblem]:
    """Everything about the grants of one tool that cannot be."""
    place = ["tool_operations", provider.tool_id]
    beyond = [name for name in grants if provider.operation(name) is None]
    if beyond:
        known = [one.name for one in provider.operations]
        yield FieldProblem(pointer(place), f"'{provider.tool_id}' cannot do: {', '.join(beyond)}.{near(beyond, known)}")
    for name, grant in grants.items():
        operation = provider.operation(name)
        # Refused when it is saved: what is to be approved is a change, and reading has none to show.
        if grant.mode is Mode.APPROVE and operation is not None and not operation.is_write:
            yield FieldProblem(
                pointer([*place, name]),
                f"'{name}' reads and changes nothing, so there is nothing to approve: use 'allow', or leave it out.",
            )
        if operation is not None and grant.scope is not Scope.OWN and grant.scope not in operation.scopes:
            why = "touches the run's own ticket alone" if operation.scopes else "concerns no single ticket"
            yield FieldProblem(pointer([*place, name]), f"'{name}' {why}, so it has no scope.")
        if grant.answer_hours is not None and name != ASK:
            yield FieldProblem(pointer([*place, name, "answer_hours"]), f"'{name}' waits for no answer: leave it out.")


def companion_faults(provider: Provider, grants: Grants) -> Iterator[FieldProblem]:
    """Grants of one tool that mean nothing without another."""
    if ASK in grants and REPLY not in grants:
        place = pointer(["tool_operations", provider.tool_id, ASK])
        yield FieldProblem(place, f"'{ASK}' writes to the requester: grant '{REPLY}' as well.")


def near(names: Collection[str], known: Collection[str]) -> str:
    """A sentence with the names most like mistyped ones; empty if nothing is like them."""
    matches = [match for name in names for match in difflib.get_close_matches(name, known, n=3, cutoff=0.5)]
    return f" Closest: {', '.join(dict.fromkeys(matches))}." if matches else ""
