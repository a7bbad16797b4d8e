"""The service desk API (``/rest/servicedeskapi``) of the simulated site."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimNote, SimPerson, SimTicket
from deskhand.simulators.jira import text as sim_text
from deskhand.simulators.jira import world
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.wire import Table, empty, json_body, ok, refuse, whole_number

_API = "/rest/servicedeskapi"
_CATEGORY = {"new": "NEW", "indeterminate": "INDETERMINATE", "done": "DONE"}
_QUEUE = "10"
_GOAL = 14_400_000  # milliseconds
_WAITING = "Waiting for customer"
_NOT_FILLED = "Your request could not be created. Please check the fields have been filled in correctly."


class ServiceDeskApi(Part):
    """Requests, comments, queues and times of the API that customers and agents use."""

    def table(self) -> Table:
        """Routes: path, verb, handler."""
        desk = "/servicedesk/{desk}"
        return [
            ("/info", "GET", self._info),
            ("/servicedesk", "GET", self._desks),
            (desk, "GET", self._desk),
            (desk + "/requesttype", "GET", self._request_types),
            (desk + "/queue", "GET", self._queues),
            (desk + "/queue/{queue}/issue", "GET", self._queue_issues),
            ("/organization", "GET", self._organizations),
            ("/request", "POST", self._create),
            ("/request/{id}", "GET", self._request),
            ("/request/{id}/comment", "GET", self._comments),
            ("/request/{id}/comment", "POST", self._add_comment),
            ("/request/{id}/comment/{comment}", "GET", self._comment),
            ("/request/{id}/status", "GET", self._status),
            ("/request/{id}/transition", "GET", self._transitions),
            ("/request/{id}/transition", "POST", self._move),
            ("/request/{id}/sla", "GET", self._sla),
        ]

    # -- desks -----------------------------------------------------------------------------------

    async def _info(self, request: Request) -> Response:
        links = {"self": f"{self._sim.base(request)}{_API}/info"}
        built = world.jsm_date(self._sim.clock(), self._sim.zone)
        info = {"version": "5.0", "platformVersion": "1001.0.0", "buildDate": built, "buildChangeSet": "simulated"}
        return ok({**info, "isLicensedForUse": True, "_links": links})

    async def _desks(self, request: Request) -> Response:
        return self._page(request, [self._desk_json(request)])

    async def _desk(self, request: Request) -> Response:
        self._check_desk(request)
        return ok(self._desk_json(request))

    async def _organizations(self, request: Request) -> Response:
        base = self._sim.base(request)
        return self._page(request, [world.organization_json(base, name) for name in world.ORGANIZATIONS])

    async def _request_types(self, request: Request) -> Response:
        self._check_desk(request)
        link = f"{self._sim.base(request)}{_API}/servicedesk/1/requesttype/{world.REQUEST_TYPE['id']}"
        return self._page(request, [{**world.REQUEST_TYPE, "serviceDeskId": "1", "_links": {"self": link}}])

    async def _queues(self, request: Request) -> Response:
        self._check_desk(request)
        jql = f"project = {self._sim.project} AND statusCategory != Done"
        link = f"{self._sim.base(request)}{_API}/servicedesk/1/queue/{_QUEUE}"
        row: dict[str, Any] = {
            "id": _QUEUE,
            "name": "All open",
            "jql": jql,
            "fields": ["issuekey", "summary"],
            "_links": {"self": link},
        }
        if request.query_params.get("includeCount") == "true":
            row["issueCount"] = len(self._open())
        return self._page(request, [row])

    async def _queue_issues(self, request: Request) -> Response:
        self._check_desk(request)
        base = self._sim.base(request)
        fields = ["summary", "status", "priority", "created", "updated"]
        rows = [self._sim.issues.issue(ticket, base, sim_text.as_wiki, wanted=fields) for ticket in self._open()]
        return self._page(request, rows)

    def _open(self) -> list[SimTicket]:
        tickets = self._sim.store.tickets.values()
        return [t for t in tickets if not world.is_done(t.status) and t.id not in self._sim.hidden]

    def _check_desk(self, request: Request) -> None:
        if request.path_params["desk"] not in {world.SERVICE_DESK_ID, self._sim.project}:
            raise refuse(request, 404, "The service desk does not exist or you do not have permission to view it.")

    def _desk_json(self, request: Request) -> dict[str, Any]:
        return {
            "id": world.SERVICE_DESK_ID,
            "projectId": world.PROJECT_ID,
            "projectName": "IT help",
            "projectKey": self._sim.project,
            "_links": {"self": f"{self._sim.base(request)}{_API}/servicedesk/{world.SERVICE_DESK_ID}"},
        }

    # -- requests --------------------------------------------------------------------------------

    async def _create(self, request: Request) -> Response:
        allowed = {"serviceDeskId", "requestTypeId", "requestFieldValues", "raiseOnBehalfOf", "requestParticipants"}
        body = await json_body(request, allowed | {"channel", "form", "isAdfRequest"})
        values = body.get("requestFieldValues") or {}
        if str(body.get("serviceDeskId")) != world.SERVICE_DESK_ID:
            raise refuse(
                request,
                400,
                f"{_NOT_FILLED} serviceDeskId",
            )
        if str(body.get("requestTypeId")) != world.REQUEST_TYPE["id"] or not values.get("summary"):
            raise refuse(
                request,
                400,
                f"{_NOT_FILLED} summary",
            )
        reporter = self._sim.issues.person(str(body.get("raiseOnBehalfOf"))) or self._sim.store.bot
        text = sim_text.from_wiki(str(values.get("description") or ""))
        ticket = self._sim.file_ticket(subject=str(values["summary"]), description=text, requester=reporter)
        return ok(self._request_json(request, ticket), 201)

    async def _request(self, request: Request) -> Response:
        return ok(self._request_json(request, self._sim.ticket(request)))

    def _request_json(self, request: Request, ticket: SimTicket) -> dict[str, Any]:
        base, zone = self._sim.base(request), self._sim.zone
        changed = world.jsm_date(self._sim.issues.category_changed(ticket), zone)
        category = _CATEGORY[world.STATUSES[ticket.status][1]]
        values = [
            ("summary", "What is wrong?", ticket.subject),
            ("description", "Describe it", sim_text.as_wiki(ticket.description)),
        ]
        return {
            "issueId": ticket.id,
            "issueKey": ticket.display_id,
            "summary": ticket.subject,
            "requestTypeId": world.REQUEST_TYPE["id"],
            "serviceDeskId": world.SERVICE_DESK_ID,
            "createdDate": world.jsm_date(ticket.created_at, zone),
            "reporter": self._person(base, ticket.requester),
            "requestFieldValues": [{"fieldId": name, "label": label, "value": value} for name, label, value in values],
            "currentStatus": {"status": ticket.status, "statusCategory": category, "statusDate": changed},
            "_links": {
                "self": f"{base}{_API}/request/{ticket.id}",
                "jiraRest": f"{base}/rest/api/2/issue/{ticket.id}",
                "web": f"{base}/servicedesk/customer/portal/1/{ticket.display_id}",
                "agent": f"{base}/browse/{ticket.display_id}",
            },
        }

    # -- comments --------------------------------------------------------------------------------

    async def _comments(self, request: Request) -> Response:
        ticket = self._sim.ticket(request)
        shown = [
            note
            for note in ticket.notes
            if request.query_params.get("public" if note.public else "internal", "true") != "false"
        ]
        return self._page(request, [self._comment_json(request, ticket, note) for note in shown])

    async def _comment(self, request: Request) -> Response:
        ticket = self._sim.ticket(request)
        for note in ticket.notes:
            if note.id == request.path_params["comment"]:
                return ok(self._comment_json(request, ticket, note))
        raise refuse(request, 404, "The comment does not exist or you do not have permission to view it.")

    async def _add_comment(self, request: Request) -> Response:
        ticket = self._sim.ticket(request)
        body = await json_body(request, {"body", "public"})
        if not isinstance(body.get("body"), str) or not body["body"].strip():
            raise refuse(request, 400, "Comment body can not be empty!")
        # Required by the vendor, so that no comment becomes public because somebody forgot to say.
        if not isinstance(body.get("public"), bool):
            raise refuse(request, 400, "The field 'public' is required.")
        stored = sim_text.from_wiki(body["body"])
        note = self._sim.comment(ticket, stored, public=body["public"], properties=[])
        return ok(self._comment_json(request, ticket, note), 201)

    def _comment_json(self, request: Request, ticket: SimTicket, note: SimNote) -> dict[str, Any]:
        base = self._sim.base(request)
        return {
            "id": note.id,
            "body": sim_text.as_wiki(note.body) or "",
            "public": note.public,
            "author": self._person(base, note.author),
            "created": world.jsm_date(note.created_at, self._sim.zone),
            "_links": {"self": f"{base}{_API}/request/{ticket.id}/comment/{note.id}"},
        }

    def _person(self, base: str, person: SimPerson) -> dict[str, Any]:
        account = world.account_id(person)
        link = f"{base}/rest/api/2/user?accountId={account}"
        return {
            "accountId": account,
            "emailAddress": person.email,
            "displayName": person.name,
            "active": True,
            "timeZone": self._sim.zone.key,
            "_links": {"jiraRest": link, "self": link, "avatarUrls": {}},
        }

    # -- workflow and SLA ------------------------------------------------------------------------

    async def _status(self, request: Request) -> Response:
        return self._page(request, [self._request_json(request, self._sim.ticket(request))["currentStatus"]])

    async def _transitions(self, request: Request) -> Response:
        moves = world.WORKFLOW[self._sim.ticket(request).status]
        return self._page(request, [{"id": move.id, "name": move.name} for move in moves])

    async def _move(self, request: Request) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        body = await json_body(request, {"id", "additionalComment"})
        move = next((move for move in world.WORKFLOW[ticket.status] if move.id == str(body.get("id"))), None)
        if move is None:
            raise refuse(request, 400, "The transition is not valid for the request.")
        comment = (body.get("additionalComment") or {}).get("body")
        if comment:
            # Always public: the customer's transition has no way to say otherwise.
            sim.comment(ticket, sim_text.from_wiki(str(comment)), public=True, properties=[])
        sim.change(ticket, sim.closing_fields(move.to), by=sim.store.bot)
        return empty()

    async def _sla(self, request: Request) -> Response:
        ticket = self._sim.ticket(request)
        done, waits = world.is_done(ticket.status), ticket.status == _WAITING
        rows = [
            self._target(request, ticket, "1", "Time to first response", ended=ticket.responded_at is not None),
            self._target(request, ticket, "2", "Time to resolution", ended=done, paused=waits),
        ]
        return self._page(request, rows)

    def _target(
        self, request: Request, ticket: SimTicket, ident: str, name: str, *, ended: bool, paused: bool = False
    ) -> dict[str, Any]:
        link = f"{self._sim.base(request)}{_API}/request/{ticket.id}/sla/{ident}"
        spent = round((self._sim.clock() - ticket.created_at).total_seconds() * 1000)
        cycle = {"startTime": world.jsm_date(ticket.created_at, self._sim.zone), "breached": spent > _GOAL}
        cycle |= {
            "goalDuration": {"millis": _GOAL, "friendly": "4h"},
            "elapsedTime": {"millis": spent, "friendly": f"{spent // 60_000}m"},
            "remainingTime": {"millis": _GOAL - spent, "friendly": f"{(_GOAL - spent) // 60_000}m"},
        }
        row: dict[str, Any] = {"id": ident, "name": name, "completedCycles": [], "_links": {"self": link}}
        if ended:
            stop = world.jsm_date(ticket.responded_at or ticket.updated_at, self._sim.zone)
            row["completedCycles"] = [{**cycle, "stopTime": stop}]
        else:
            row["ongoingCycle"] = {**cycle, "paused": paused, "withinCalendarHours": True}
        return row

    # -- pages -----------------------------------------------------------------------------------

    def _page(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        start = whole_number(request, request.query_params.get("start"), 0, high=10**6)
        limit = whole_number(request, request.query_params.get("limit"), 50, low=1, high=100)
        shown = rows[start : start + limit]
        last = start + limit >= len(rows)
        base = self._sim.base(request)
        links = {"self": f"{base}{request.url.path}", "base": base, "context": ""}
        if not last:
            links["next"] = f"{base}{request.url.path}?start={start + limit}&limit={limit}"
        page = {"size": len(shown), "start": start, "limit": limit, "isLastPage": last, "values": shown}
        return ok({**page, "_links": links})
