"""Work logs of the simulated site: platform REST API v3, "Issue worklogs"."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimTicket
from deskhand.simulators.base.rules import SimMail
from deskhand.simulators.base.state import SimLog
from deskhand.simulators.jira import world
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.text import Speech
from deskhand.simulators.jira.wire import Table, empty, json_body, ok, refuse, whole_number

_KEYS = {"comment", "started", "timeSpent", "timeSpentSeconds", "visibility", "properties"}
_WATCHED = "Work logged"


class WorklogApi(Part):
    """What was worked on an issue."""

    def table(self, speech: Speech) -> Table:
        """Routes: path, verb, handler."""
        return [
            ("/issue/{id}/worklog", "GET", partial(self._list, speech=speech)),
            ("/issue/{id}/worklog", "POST", partial(self._add, speech=speech)),
            ("/issue/{id}/worklog/{log}", "DELETE", self._delete),
        ]

    async def _list(self, request: Request, *, speech: Speech) -> Response:
        ticket, base = self._sim.ticket(request), self._sim.base(request)
        start = whole_number(request, request.query_params.get("startAt"), 0, high=10**6)
        size = whole_number(request, request.query_params.get("maxResults"), 5000)
        page = [_log_json(base, ticket, log, speech) for log in ticket.work_logs[start : start + size]]
        return ok({"startAt": start, "maxResults": size, "total": len(ticket.work_logs), "worklogs": page})

    async def _add(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        body = await json_body(request, _KEYS)
        seconds = body.get("timeSpentSeconds")
        if not isinstance(seconds, int) or seconds < 1:
            raise refuse(request, 400, errors={"timeLogged": "You must indicate the time spent working."})
        try:
            started = datetime.fromisoformat(str(body.get("started")))
        except ValueError:
            raise refuse(request, 400, errors={"started": "Invalid date."}) from None
        if started.tzinfo is None:
            raise refuse(request, 400, errors={"started": "Invalid date."})
        log = sim.log_time(ticket, seconds=seconds, text=speech.read(body.get("comment")) or "", started_at=started)
        # A site counts it among the changes of the issue, and mails who watches it unless the client says otherwise.
        if request.query_params.get("notifyUsers", "true") == "true":
            mail = SimMail(str(5000 + sim.store.next_serial()), ticket.requester.email, _WATCHED, log.created_at)
            ticket.mails.append(mail)
        if request.query_params.get("adjustEstimate", "auto") != "leave":
            ticket.custom["estimate"] = max(0, ticket.custom.get("estimate", 0) - seconds)
        return ok(_log_json(sim.base(request), ticket, log, speech), 201)

    async def _delete(self, request: Request) -> Response:
        ticket, number = self._sim.ticket(request), request.path_params["log"]
        log = next((one for one in ticket.work_logs if one.id == number), None)
        if log is None:
            raise refuse(request, 404, f"Cannot find worklog with id: '{number}'.")
        self._sim.store.unlog_time(ticket, log)
        return empty()


def _log_json(base: str, ticket: SimTicket, log: SimLog, speech: Speech) -> dict[str, Any]:
    address = f"{base}/rest/api/3/issue/{ticket.id}/worklog/{log.id}"
    author = world.person_json(base, log.author)
    return {
        "self": address,
        "author": author,
        "updateAuthor": author,
        "comment": speech.write(log.text),
        "created": world.iso(log.created_at),
        "updated": world.iso(log.created_at),
        "started": world.iso(log.started_at),
        "timeSpent": f"{log.seconds // 60}m",
        "timeSpentSeconds": log.seconds,
        "id": log.id,
        "issueId": ticket.id,
    }
