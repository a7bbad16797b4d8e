"""The platform API (``/rest/api/3``, and ``/rest/api/2`` with wiki text) of the simulated site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimNote, SimTicket
from deskhand.simulators.jira import files, links, search, site, text, worklogs, world
from deskhand.simulators.jira.issue import BadFieldsError
from deskhand.simulators.jira.state import JiraSite, Part
from deskhand.simulators.jira.text import Speech
from deskhand.simulators.jira.wire import Table, empty, json_body, ok, refuse, whole_number

_OFF_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."

_ISSUE_KEYS = {"fields", "update", "properties", "transition", "historyMetadata"}
_COMMENT_KEYS = {"body", "properties", "visibility", "public"}
_COMMENT_LIMIT = 32_767


class PlatformApi(Part):
    """Issues and what stands behind them, in both versions."""

    def __init__(self, sim: JiraSite) -> None:
        super().__init__(sim)
        self._search = search.SearchApi(sim)
        self._site = site.SiteApi(sim)
        self._links = links.LinkApi(sim)
        self._files = files.FileApi(sim)
        self._worklogs = worklogs.WorklogApi(sim)

    def table(self, version: str) -> Table:
        """Routes of one version: path, verb, handler."""
        speech = text.SPEECH[version]
        issue = "/issue/{id}"
        return [
            *self._site.table(),
            ("/search/approximate-count", "POST", self._search.count),
            ("/search/jql", "GET", partial(self._search.search, text=speech.write)),
            ("/search/jql", "POST", partial(self._search.search, text=speech.write)),
            ("/issue", "POST", partial(self._create, speech=speech)),
            (issue, "GET", partial(self._issue, speech=speech)),
            (issue, "PUT", partial(self._edit, speech=speech)),
            (issue + "/assignee", "PUT", self._assign),
            (issue + "/editmeta", "GET", self._edit_metadata),
            (issue + "/comment", "GET", partial(self._comments, speech=speech)),
            (issue + "/comment", "POST", partial(self._add_comment, speech=speech)),
            (issue + "/comment/{comment}", "GET", partial(self._comment, speech=speech)),
            (issue + "/comment/{comment}", "PUT", partial(self._edit_comment, speech=speech)),
            *self._links.table(),
            *self._files.table(),
            *self._worklogs.table(speech),
            (issue + "/transitions", "GET", self._transitions),
            (issue + "/transitions", "POST", partial(self._move, speech=speech)),
            (issue + "/properties/{property}", "GET", self._property),
            (issue + "/properties/{property}", "PUT", self._put_property),
        ]

    # -- issues ----------------------------------------------------------------------------------

    async def _issue(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket, base = self._sim, self._sim.ticket(request), self._sim.base(request)
        fields = _words(request, "fields") or ["*all"]
        issue = sim.issues.issue(ticket, base, speech.write, wanted=fields, properties=_words(request, "properties"))
        expand = _words(request, "expand")
        if "renderedFields" in expand:
            issue["renderedFields"] = {"description": sim.safe_html(ticket.description)}
        if "changelog" in expand:
            rows = [links.history_json(base, entry) for entry in sim.history.get(ticket.id, [])]
            issue["changelog"] = {"startAt": 0, "maxResults": len(rows), "total": len(rows), "histories": rows}
        if "transitions" in expand:
            issue["transitions"] = [
                self._transition(base, move, fields=False) for move in world.WORKFLOW[ticket.status]
            ]
        return ok(issue)

    async def _create(self, request: Request, *, speech: Speech) -> Response:
        body = await json_body(request, _ISSUE_KEYS)
        fields, properties = body.get("fields") or {}, body.get("properties") or []
        project = fields.get("project") or {}
        # By either name, as the vendor takes it.
        if {project.get("key"), project.get("id")}.isdisjoint({self._sim.project, world.PROJECT_ID}):
            raise refuse(request, 400, errors={"project": "valid project is required"})
        if not fields.get("summary"):
            raise refuse(request, 400, errors={"summary": "You must specify a summary of the issue."})
        changes = self._changes(request, None, fields, speech)
        subject = changes.pop("subject")
        reporter = changes.pop("requester", None) or self._sim.store.bot
        ticket = self._sim.file_ticket(subject=subject, requester=reporter, **changes)
        ticket.custom = self._sim.set_properties(ticket, properties)
        self._sim.store.count_created(ticket, json.dumps(properties))
        link = f"{self._sim.base(request)}/rest/api/3/issue/{ticket.id}"
        return ok({"id": ticket.id, "key": ticket.display_id, "self": link}, 201)

    async def _edit(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        body = await json_body(request, _ISSUE_KEYS)
        fields = dict(body.get("fields") or {})
        comments = self._apply_operations(request, ticket, fields, body.get("update") or {}, speech)
        changes = self._changes(request, ticket, fields, speech)
        properties = body.get("properties") or []
        ticket.custom = changes.pop("custom")
        changes["custom"] = sim.set_properties(ticket, properties)
        for comment in comments:
            self._write_comment(request, ticket, comment, speech)
        sim.change(ticket, changes, by=sim.store.bot, texts=[json.dumps(properties)])
        if request.query_params.get("returnIssue") == "true":
            return ok(sim.issues.issue(ticket, sim.base(request), speech.write, wanted=["*all"]))
        return empty()

    def _apply_operations(
        self, request: Request, ticket: SimTicket, fields: dict[str, Any], update: Mapping[str, Any], speech: Speech
    ) -> list[dict[str, Any]]:
        """``update`` folded into ``fields``; comments to add are returned."""
        current = self._sim.issues.fields(ticket, self._sim.base(request), speech.write)
        comments: list[dict[str, Any]] = []
        for name, operations in update.items():
            if name in fields:
                raise refuse(request, 400, errors={name: f"Field '{name}' cannot be in both 'fields' and 'update'."})
            for operation in operations:
                ((verb, value),) = operation.items()
                # A comment in an edit is no field: it becomes one of its own, with an event of its own.
                if name == "comment" and verb == "add":
                    comments.append(value)
                elif verb == "set":
                    fields[name] = value
                elif verb in {"add", "remove"} and isinstance(current.get(name), list):
                    rows = list(fields.get(name, current[name]))
                    others = [row for row in rows if row != value]
                    fields[name] = [*others, value] if verb == "add" else others
                else:
                    raise refuse(request, 400, errors={name: f"Field does not support update '{verb}'"})
        return comments

    def _changes(
        self, request: Request, ticket: SimTicket | None, fields: Mapping[str, Any], speech: Speech
    ) -> dict[str, Any]:
        try:
            return self._sim.issues.changes(ticket, fields, speech.read)
        except BadFieldsError as bad:
            raise refuse(request, 400, errors=bad.errors) from None

    async def _assign(self, request: Request) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        body = await json_body(request, {"accountId", "name", "key"})
        changes = self._changes(request, ticket, {"assignee": {"accountId": body.get("accountId")}}, text.SPEECH["3"])
        sim.change(ticket, {"assignee": changes["assignee"]}, by=sim.store.bot)
        return empty()

    async def _edit_metadata(self, request: Request) -> Response:
        self._sim.ticket(request)
        return ok({"fields": self._sim.issues.edit_metadata(self._sim.base(request))})

    # -- comments --------------------------------------------------------------------------------

    async def _comments(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        start = whole_number(request, request.query_params.get("startAt"), 0, high=10**6)
        size = whole_number(request, request.query_params.get("maxResults"), 5000)
        newest_first = request.query_params.get("orderBy", "created").startswith("-")
        base = sim.base(request)
        return ok(
            sim.issues.comment_page(ticket, base, speech.write, start=start, size=size, newest_first=newest_first)
        )

    async def _comment(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        for note in ticket.notes:
            if note.id == request.path_params["comment"]:
                return ok(sim.issues.comment(ticket, note, sim.base(request), speech.write))
        raise refuse(request, 404, "Can not find a comment for the id: " + request.path_params["comment"] + ".")

    async def _edit_comment(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        note = next((one for one in ticket.notes if one.id == request.path_params["comment"]), None)
        if note is None:
            raise refuse(request, 404, "Can not find a comment for the id: " + request.path_params["comment"] + ".")
        stored = speech.read((await json_body(request, _COMMENT_KEYS)).get("body"))
        if not stored:
            raise refuse(request, 400, errors={"comment": "Comment body is not valid!"})
        sim.rewrite(ticket, note, stored)
        return ok(sim.issues.comment(ticket, note, sim.base(request), speech.write))

    async def _add_comment(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        note = self._write_comment(request, ticket, await json_body(request, _COMMENT_KEYS), speech)
        return ok(sim.issues.comment(ticket, note, sim.base(request), speech.write), 201)

    def _write_comment(
        self, request: Request, ticket: SimTicket, comment: Mapping[str, Any], speech: Speech
    ) -> SimNote:
        stored = speech.read(comment.get("body"))
        if not stored:
            raise refuse(request, 400, errors={"comment": "Comment body is not valid!"})
        if len(text.as_words(stored)) > _COMMENT_LIMIT:
            raise refuse(
                request,
                400,
                errors={"comment": f"The entered text is too long. It exceeds the allowed limit of {_COMMENT_LIMIT}."},
            )
        properties = comment.get("properties") or []
        # The platform's API has no field for it: this property is what the service desk reads as "internal".
        internal = any(
            row.get("key") == "sd.public.comment" and (row.get("value") or {}).get("internal") is True
            for row in properties
        )
        return self._sim.comment(ticket, stored, public=not internal, properties=properties)

    # -- workflow --------------------------------------------------------------------------------

    async def _transitions(self, request: Request) -> Response:
        ticket, base = self._sim.ticket(request), self._sim.base(request)
        move_id = request.query_params.get("transitionId")
        fields = "transitions.fields" in _words(request, "expand")
        moves = [move for move in world.WORKFLOW[ticket.status] if move_id in {None, move.id}]
        rows = [self._transition(base, move, fields=fields) for move in moves]
        return ok({"expand": "transitions", "transitions": rows})

    def _transition(self, base: str, move: world.Move, *, fields: bool) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": move.id,
            "name": move.name,
            "to": world.status_json(base, move.to),
            "hasScreen": move.screen,
            "isGlobal": False,
            "isInitial": False,
            "isAvailable": True,
            "isConditional": False,
            "looped": False,
        }
        if fields:
            row["fields"] = {"resolution": _resolution_field(base)} if move.screen else {}
        return row

    async def _move(self, request: Request, *, speech: Speech) -> Response:
        sim, ticket = self._sim, self._sim.ticket(request)
        body = await json_body(request, _ISSUE_KEYS)
        move_id = str((body.get("transition") or {}).get("id"))
        move = next((move for move in world.WORKFLOW[ticket.status] if move.id == move_id), None)
        if move is None:
            raise refuse(
                request,
                400,
                "It is not on the appropriate screen, or unknown."
                if move_id == "None"
                else f"Transition id '{move_id}' is not valid for this issue.",
            )
        fields = dict(body.get("fields") or {})
        resolution = self._resolution(request, move, fields.pop("resolution", None))
        comments = self._apply_operations(request, ticket, fields, body.get("update") or {}, speech)
        if fields:
            named = {name: _OFF_SCREEN.format(name) for name in fields}
            raise refuse(request, 400, errors=named)
        if move.screen:  # without a screen the comment is dropped, as the vendor does
            for comment in comments:
                self._write_comment(request, ticket, comment, speech)
        properties = body.get("properties") or []
        changes = {**sim.closing_fields(move.to), "custom": sim.set_properties(ticket, properties)}
        if resolution:
            changes["resolution"] = resolution
        sim.change(ticket, changes, by=sim.store.bot, texts=[json.dumps(properties)])
        return empty()

    def _resolution(self, request: Request, move: world.Move, field: Any) -> str | None:
        if not move.screen:
            if field is not None:
                raise refuse(
                    request,
                    400,
                    errors={"resolution": _OFF_SCREEN.format("resolution")},
                )
            return None
        value = field if isinstance(field, dict) else {}
        for name, number in world.RESOLUTIONS.items():
            if value.get("name") == name or str(value.get("id")) == number:
                return name
        raise refuse(request, 400, errors={"resolution": "Resolution is required."})

    # -- properties ------------------------------------------------------------------------------

    async def _property(self, request: Request) -> Response:
        ticket, name = self._sim.ticket(request), request.path_params["property"]
        known = ticket.custom.get("properties", {})
        if name not in known:
            raise refuse(request, 404, f"The property {name} does not exist.")
        return ok({"key": name, "value": known[name]})

    async def _put_property(self, request: Request) -> Response:
        ticket, name = self._sim.ticket(request), request.path_params["property"]
        known = name in ticket.custom.get("properties", {})
        ticket.custom = self._sim.set_properties(ticket, [{"key": name, "value": await request.json()}])
        return Response(status_code=200 if known else 201)


def _words(request: Request, name: str) -> list[str]:
    """A list parameter: repeated, or separated by commas."""
    parts = request.query_params.getlist(name)
    return [word.strip() for part in parts for word in part.split(",") if word.strip()]


def _resolution_field(base: str) -> dict[str, Any]:
    return {
        "required": True,
        "schema": world.schema("resolution", system="resolution"),
        "name": "Resolution",
        "key": "resolution",
        "operations": ["set"],
        "allowedValues": [world.resolution_json(base, name) for name in world.RESOLUTIONS],
    }
