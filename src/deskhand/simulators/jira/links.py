"""What hangs on an issue of the simulated site: links, links to elsewhere, its changelog, and comments that go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimTicket
from deskhand.simulators.base.state import SimLink
from deskhand.simulators.jira import world
from deskhand.simulators.jira.issue import REMOTE
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.wire import Table, empty, json_body, ok, refuse, whole_number


def history_json(base: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One save of the changelog."""
    return {
        "id": entry["id"],
        "author": world.person_json(base, entry["author"]),
        "created": world.iso(entry["at"]),
        "items": [{name: value for name, value in item.items() if value is not None} for item in entry["items"]],
    }


class LinkApi(Part):
    """What hangs on an issue."""

    def table(self) -> Table:
        """Routes: path, verb, handler."""
        return [
            ("/issue/{id}/changelog", "GET", self._changelog),
            ("/issue/{id}/comment/{comment}", "DELETE", self._delete_comment),
            ("/issue/{id}/remotelink", "GET", self._remote),
            ("/issue/{id}/remotelink", "POST", self._add_remote),
            ("/issue/{id}/remotelink", "DELETE", self._delete_remote),
            ("/issueLinkType", "GET", self._types),
            ("/issueLink", "POST", self._link),
            ("/issueLink/{link}", "DELETE", self._unlink),
        ]

    async def _changelog(self, request: Request) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        start = whole_number(request, request.query_params.get("startAt"), 0, high=10**6)
        size = whole_number(request, request.query_params.get("maxResults"), 100)
        rows = [entry for entry in sim.history.get(ticket.id, []) if entry["items"]]
        page = [history_json(sim.base(request), entry) for entry in rows[start : start + size]]
        last = start + size >= len(rows)
        return ok({"startAt": start, "maxResults": size, "total": len(rows), "isLast": last, "values": page})

    async def _delete_comment(self, request: Request) -> Response:
        ticket, number = self._sim.ticket(request), request.path_params["comment"]
        for note in ticket.notes:
            if note.id == number:
                self._sim.store.remove_note(ticket, note, by=self._sim.store.bot)
                return empty()
        raise refuse(request, 404, f"Can not find a comment for the id: {number}.")

    # -- links between issues --------------------------------------------------------------------

    async def _types(self, request: Request) -> Response:
        base = self._sim.base(request)
        return ok({"issueLinkTypes": [world.link_type_json(base, number) for number in world.LINK_TYPES]})

    async def _link(self, request: Request) -> Response:
        body = await json_body(request, {"type", "inwardIssue", "outwardIssue", "comment"})
        link_type = body.get("type") or {}
        named = {link_type.get("name"), link_type.get("id")} - {None}
        kind = next((number for number, words in world.LINK_TYPES.items() if named & {number, words[0]}), None)
        if kind is None:
            raise refuse(request, 404, "No issue link type with name or id '" + str(link_type.get("name")) + "' found.")
        source, target = (self._end(request, body.get(name) or {}) for name in ("inwardIssue", "outwardIssue"))
        if source is target:
            raise refuse(request, 400, "You cannot link an issue to itself.")
        # A second link of a kind between the same two is taken and makes none, which is what a repeated attempt meets.
        if not any((link.kind, link.ticket_id) == (kind, target.id) for link in source.links):
            link = SimLink(str(11_000 + self._sim.store.next_serial()), kind, ticket_id=target.id)
            self._sim.store.link(source, link, by=self._sim.store.bot)
        # Without a body: the vendor tells no id of a new link, so a client has to read the issue to find it.
        return Response(status_code=201)

    def _end(self, request: Request, issue: Mapping[str, Any]) -> SimTicket:
        for ticket in self._sim.store.tickets.values():
            if ticket.id == str(issue.get("id")) or ticket.display_id == issue.get("key"):
                return ticket
        raise refuse(request, 404, "Issue does not exist or you do not have permission to see it.")

    async def _unlink(self, request: Request) -> Response:
        for ticket in self._sim.store.tickets.values():
            for link in ticket.links:
                if link.id == request.path_params["link"]:
                    self._sim.store.unlink(ticket, link, by=self._sim.store.bot)
                    return empty()
        raise refuse(request, 404, "No issue link with id '" + request.path_params["link"] + "' exists.")

    # -- links to elsewhere ----------------------------------------------------------------------

    async def _remote(self, request: Request) -> Response:
        ticket, address = self._sim.ticket(request), request.query_params.get("globalId")
        rows = [_remote_json(self._sim.base(request), ticket, link) for link in ticket.links if link.kind == REMOTE]
        if address is None:
            return ok(rows)
        for row in rows:
            if row["globalId"] == address:
                return ok(row)
        raise refuse(request, 404, "The remote link with the global id '" + address + "' does not exist.")

    async def _add_remote(self, request: Request) -> Response:
        ticket = self._sim.ticket(request)
        body = await json_body(request, {"globalId", "application", "relationship", "object"})
        shown = body.get("object") or {}
        if not shown.get("url") or not shown.get("title"):
            raise refuse(request, 400, errors={"object": "'url' and 'title' are required."})
        # The vendor updates the link of a globalId instead of adding another: that makes our repetition harmless.
        url = str(body.get("globalId") or shown["url"])
        known = next((link for link in ticket.links if (link.kind, link.url) == (REMOTE, url)), None)
        link = known or SimLink(str(12_000 + self._sim.store.next_serial()), REMOTE, url=url, text=shown["title"])
        if known is None:
            self._sim.store.link(ticket, link, by=self._sim.store.bot)
        address = f"{self._sim.base(request)}/rest/api/3/issue/{ticket.id}/remotelink/{link.id}"
        return ok({"id": int(link.id), "self": address}, 200 if known else 201)

    async def _delete_remote(self, request: Request) -> Response:
        ticket, address = self._sim.ticket(request), request.query_params.get("globalId")
        link = next((one for one in ticket.links if (one.kind, one.url) == (REMOTE, address)), None)
        if link is None:
            raise refuse(request, 404, "The remote link does not exist.")
        self._sim.store.unlink(ticket, link, by=self._sim.store.bot)
        return empty()


def _remote_json(base: str, ticket: SimTicket, link: SimLink) -> dict[str, Any]:
    return {
        "id": int(link.id),
        "self": f"{base}/rest/api/3/issue/{ticket.id}/remotelink/{link.id}",
        "globalId": link.url,
        "object": {"url": link.url, "title": link.text},
    }
