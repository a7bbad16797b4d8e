"""Whom the simulated account knows: organizations, and what comes along with tickets when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request

from deskhand.simulators.base import SimPerson, SimTicket
from deskhand.simulators.zendesk import wire


def organization_rows(request: Request) -> list[dict[str, Any]]:
    """The account's organizations; with ``name``, those whose name begins so."""
    beginning = request.query_params.get("name", "").casefold()
    rows = [wire.organization_json(name, wire.base_of(request)) for name in wire.ORGANIZATIONS]
    return [row for row in rows if row["name"].casefold().startswith(beginning)]


def sideloads(
    tickets: Iterable[SimTicket], request: Request, user_json: Callable[[SimPerson, Request], dict[str, Any]]
) -> dict[str, Any]:
    """People, groups and organizations of tickets, as far as ``include`` names them."""
    include, base = request.query_params.get("include", ""), wire.base_of(request)
    loads: dict[str, Any] = {}
    if "users" in include:
        people = {p.id: p for ticket in tickets for p in (ticket.requester, ticket.assignee) if p is not None}
        loads["users"] = [user_json(person, request) for person in people.values()]
    if "groups" in include:
        names = dict.fromkeys(ticket.group for ticket in tickets if ticket.group)
        loads["groups"] = [wire.group_json(name, base) for name in names]
    if "organizations" in include:
        clients = dict.fromkeys(ticket.company for ticket in tickets if ticket.company in wire.ORGANIZATIONS)
        loads["organizations"] = [wire.organization_json(str(name), base) for name in clients]
    return loads
