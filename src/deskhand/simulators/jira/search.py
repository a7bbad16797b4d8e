"""Search of the simulated site: page tokens, bounded JQL, the lagging index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimTicket
from deskhand.simulators.jira import jql as sim_jql
from deskhand.simulators.jira import world
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.wire import json_body, ok, refuse, whole_number

_SEARCH_KEYS = {
    *("jql", "maxResults", "fields", "expand", "properties", "fieldsByKeys", "nextPageToken", "reconcileIssues"),
}
_UNBOUNDED = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
_ROWS_WITH_FIELDS = 100


class SearchApi(Part):
    """Issues by JQL, as the index shows them."""

    async def count(self, request: Request) -> Response:
        """``POST /search/approximate-count``."""
        body = await json_body(request, {"jql"})
        return ok({"count": len(self._found(request, str(body.get("jql") or ""), []))})

    async def search(self, request: Request, *, text: Any) -> Response:
        """``GET`` and ``POST /search/jql``."""
        body = await json_body(request, _SEARCH_KEYS) if request.method == "POST" else _from_query(request)
        size = whole_number(request, body.get("maxResults"), 50, low=1)
        names = [str(name) for name in body.get("fields") or ["id"]]
        jql, token = str(body.get("jql") or ""), body.get("nextPageToken")
        # A token holds the result as it was when the first page was read, so that later writes shift no page.
        if token:
            ids = self._continued(request, str(token), jql)
        else:
            ids = [ticket.id for ticket in self._found(request, jql, self._reconciled(request, body))]
        # The vendor gives fewer rows where fields are asked for; a client that trusted maxResults would lose the rest.
        if set(names) - {"id", "key"}:
            size = min(size, _ROWS_WITH_FIELDS)
        now, later = ids[:size], ids[size:]
        answer: dict[str, Any] = {"issues": [self._issue(request, number, names, text) for number in now]}
        answer["isLast"] = not later
        if later:
            answer["nextPageToken"] = self._sim.remember_page(jql, later)
        return ok(answer)

    def _issue(self, request: Request, number: str, names: list[str], text: Any) -> dict[str, Any]:
        if names == ["id"]:
            return {"id": number}
        ticket = self._sim.store.tickets[number]
        return self._sim.issues.issue(ticket, self._sim.base(request), text, wanted=names)

    def _reconciled(self, request: Request, body: Mapping[str, Any]) -> list[str]:
        numbers = body.get("reconcileIssues") or []
        if not all(isinstance(number, int) for number in numbers) or len(numbers) > 50:
            raise refuse(request, 400, "reconcileIssues takes at most 50 numeric issue ids.")
        return [str(number) for number in numbers]

    def _continued(self, request: Request, token: str, jql: str) -> list[str]:
        ends, query, ids = self._sim.pages.get(token, (None, "", []))
        if ends is None or ends <= self._sim.clock() or query != jql:
            raise refuse(request, 400, "The provided next page token is invalid or expired.")
        return [number for number in ids if number in self._sim.store.tickets]

    def _found(self, request: Request, jql: str, reconciled: list[str]) -> list[SimTicket]:
        sim = self._sim
        names = {name.casefold() for name in world.STATUSES}
        known = {
            "project": {sim.project.casefold(), world.PROJECT_ID, "it help"},
            "status": names | {number for number, _ in world.STATUSES.values()},
            "priority": {name.casefold() for name in world.PRIORITIES},
        }
        me = world.account_id(sim.store.bot)
        try:
            query = sim_jql.Parser(jql, now=sim.clock(), zone=sim.zone, values=known, me=me.casefold()).parse()
        except sim_jql.BadJqlError as bad:
            raise refuse(request, 400, str(bad)) from None
        if not query.bounded:
            raise refuse(request, 400, _UNBOUNDED)
        # The index lags; reconcileIssues makes it look again at these ids, which is how a client finds what it has just
        # written.
        indexed = {ticket.id: ticket for ticket in sim.store.searchable()}
        indexed.update({number: sim.store.tickets[number] for number in reconciled if number in sim.store.tickets})
        rows = [sim.issues.row(ticket) for ticket in indexed.values() if ticket.id not in sim.hidden]
        matching = [row for row in rows if query.matches(row)]
        return [indexed[str(row["number"])] for row in sim_jql.sort(matching, query.order or [("created", True)])]


def _from_query(request: Request) -> dict[str, Any]:
    params = request.query_params
    body: dict[str, Any] = {name: params[name] for name in ("jql", "maxResults", "nextPageToken") if name in params}
    words = [word for part in params.getlist("fields") for word in part.split(",") if word]
    numbers = [word for part in params.getlist("reconcileIssues") for word in part.split(",") if word.isdigit()]
    return {**body, "fields": words, "reconcileIssues": [int(number) for number in numbers]}
