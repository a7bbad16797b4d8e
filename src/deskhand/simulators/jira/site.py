"""What the simulated site says of itself: account, fields, priorities, project, people."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.jira import world
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.wire import Table, failure, ok, refuse

_SITE_GROUPS = ("jira-servicemanagement-users-example", "site-admins", "it-network")


class SiteApi(Part):
    """What the site says of itself."""

    def table(self) -> Table:
        """Routes: path, verb, handler."""
        return [
            ("/myself", "GET", self._myself),
            ("/serverInfo", "GET", self._server_info),
            ("/field", "GET", self._fields),
            ("/priorityscheme", "GET", self._priority_schemes),
            ("/priority/search", "GET", self._priority_search),
            ("/priority", "GET", self._priority_list),
            ("/project/{project}", "GET", self._project),
            ("/project/{project}/statuses", "GET", self._statuses),
            ("/groups/picker", "GET", self._groups),
            ("/user/assignable/search", "GET", self._assignable),
            ("/user/search", "GET", self._people),
            ("/search", "GET", self._removed),
            ("/search", "POST", self._removed),
            ("/issue/createmeta/{project}/issuetypes", "GET", self._issue_types),
            ("/issue/createmeta/{project}/issuetypes/{type}", "GET", self._create_metadata),
        ]

    async def _myself(self, request: Request) -> Response:
        sim = self._sim
        me = world.person_json(sim.base(request), sim.store.bot)
        # Its own time zone, in which the site reads the dates of this account's JQL.
        return ok({**me, "accountType": "atlassian", "timeZone": sim.zone.key, "locale": "en_US"})

    async def _server_info(self, request: Request) -> Response:
        base = self._sim.base(request)
        return ok(
            {
                "baseUrl": base,
                "version": "1001.0.0-SNAPSHOT",
                "versionNumbers": [1001, 0, 0],
                # What a client tells Cloud from Data Center by; most other addresses answer on both.
                "deploymentType": "Cloud",
                "buildNumber": 100_290,
                "buildDate": "2026-11-20T12:00:00.000+0000",
                "serverTime": world.iso(self._sim.clock()),
                "scmInfo": "simulated",
                "serverTitle": "Jira (simulated)",
                "serverTimeZone": self._sim.zone.key,
            }
        )

    async def _fields(self, _request: Request) -> Response:
        rows = []
        for name, (label, kind) in world.FIELDS.items():
            custom = name.startswith("customfield_")
            number = {"customId": int(name.removeprefix("customfield_"))} if custom else {}
            rows.append(
                {
                    "id": name,
                    "key": name,
                    "name": label,
                    "custom": custom,
                    "orderable": True,
                    "navigable": True,
                    "searchable": True,
                    "clauseNames": [f"cf[{number['customId']}]", label] if custom else [name],
                    "schema": {**kind, **number},
                }
            )
        return ok(rows)

    async def _priority_schemes(self, request: Request) -> Response:
        expand = request.query_params.get("expand", "")
        base = self._sim.base(request)
        scheme: dict[str, Any] = {
            "id": "10000",
            "name": "Service project priorities",
            "description": "",
            "isDefault": True,
        }
        if "priorities" in expand:
            rows = [_priority_row(base, name) for name in world.PRIORITIES]
            scheme["priorities"] = _page(rows)
        if "projects" in expand:
            project = world.project_json(base, self._sim.project)
            scheme["projects"] = _page([project])
        return ok(_page([scheme]))

    async def _priority_search(self, request: Request) -> Response:
        return ok(_page([_priority_row(self._sim.base(request), name) for name in world.PRIORITIES]))

    async def _priority_list(self, request: Request) -> Response:
        return ok([_priority_row(self._sim.base(request), name) for name in world.PRIORITIES])

    async def _project(self, request: Request) -> Response:
        self._check_project(request)
        return ok(world.project_json(self._sim.base(request), self._sim.project))

    async def _statuses(self, request: Request) -> Response:
        self._check_project(request)
        base = self._sim.base(request)
        # The document's row of this answer is closed: a kind's place in the hierarchy is told by `issuetype` alone.
        kind = {name: value for name, value in world.ISSUE_TYPE.items() if name != "hierarchyLevel"}
        statuses = [world.status_json(base, name) for name in world.STATUSES]
        return ok([{**kind, "self": f"{base}/rest/api/3/issuetype/{kind['id']}", "statuses": statuses}])

    async def _groups(self, _request: Request) -> Response:
        rows = [
            {"name": name, "groupId": f"0000-{n}", "html": name, "labels": []} for n, name in enumerate(_SITE_GROUPS)
        ]
        return ok({"header": f"Showing {len(rows)} of {len(rows)} matching groups", "total": len(rows), "groups": rows})

    async def _people(self, request: Request) -> Response:
        return await self._assignable(request, agents_only=False)

    async def _assignable(self, request: Request, *, agents_only: bool = True) -> Response:
        text = request.query_params.get("query", "").casefold()
        base = self._sim.base(request)
        people = [
            person
            for person in self._sim.store.people.values()
            if (person.is_agent or not agents_only)
            and (text in person.email.casefold() or text in person.name.casefold())
        ]
        rows = [world.person_json(base, person) for person in people]
        for row in rows:
            if row["emailAddress"] in self._sim.private:
                del row["emailAddress"]
        return ok(rows)

    async def _removed(self, request: Request) -> Response:
        return failure(request, 410)

    async def _issue_types(self, request: Request) -> Response:
        self._check_project(request)
        return ok({"startAt": 0, "maxResults": 50, "total": 1, "issueTypes": [world.ISSUE_TYPE]})

    async def _create_metadata(self, request: Request) -> Response:
        self._check_project(request)
        rows = self._sim.issues.edit_metadata(self._sim.base(request))
        fields = [{"fieldId": name, "hasDefaultValue": False, **row} for name, row in rows.items()]
        return ok({"startAt": 0, "maxResults": 50, "total": len(fields), "fields": fields})

    def _check_project(self, request: Request) -> None:
        if request.path_params["project"] not in {self._sim.project, world.PROJECT_ID}:
            raise refuse(request, 404, f"No project could be found with key '{request.path_params['project']}'.")


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"startAt": 0, "maxResults": 50, "total": len(rows), "isLast": True, "values": rows}


def _priority_row(base: str, name: str) -> dict[str, Any]:
    return {
        **world.priority_json(base, name),
        "description": "",
        "statusColor": "#707070",
        "isDefault": name == "Medium",
    }
