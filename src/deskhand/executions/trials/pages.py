"""Trying an agent in the console: choose what to try it on, and see the run, or two versions side by side."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ConfigDict, Field, ValidationError

from deskhand.access.forms import SafeForm
from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.engine.births import DRY_RUN, find_why_not_startable
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError, NotFoundError, UnavailableError
from deskhand.executions import service
from deskhand.executions.console.timeline import lay_out
from deskhand.executions.schemas import ExecutionDetail
from deskhand.executions.trials import repository
from deskhand.executions.trials.endpoints import Trying
from deskhand.executions.trials.events import invalid
from deskhand.executions.trials.schemas import TryRequest
from deskhand.executions.trials.service import Trials
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import InputModel, StorableText
from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.plugins.errors import DeskError
from deskhand.ui.format import pretty_json
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

OFFERED_TICKETS = 8
OFFERED_VERSIONS = 100
_FIELDS = ("ticket_ref", "tool_type", "payload", "agent_version")


class TryForm(InputModel):
    """What was typed and which button was pressed; the schema of the API judges it.

    Attributes:
        on: What it is tried on.
        pick: A ticket of the list, as ``desk/id``; it goes before what was typed.
        against: A second version that is tried on the same.
    """

    model_config = ConfigDict(extra="ignore")  # the form's own token comes with it

    on: Literal["ticket", "payload", "clock"] = "ticket"
    pick: StorableText = Field("", max_length=200)
    ticket: StorableText = Field("", max_length=200)
    desk: StorableText = Field("", max_length=100)
    payload: str = Field("", max_length=1_000_000)
    version: StorableText = Field("", max_length=10)
    against: StorableText = Field("", max_length=10)

    def wanted(self) -> TryRequest:
        """The body of ``POST .../try`` that it amounts to.

        Raises:
            InvalidInputError: Something cannot be read, or no ticket is named.
        """
        values: dict[str, Any] = {"agent_version": _whole(self.version)}
        if self.pick:
            values["tool_type"], _, values["ticket_ref"] = self.pick.partition("/")
        elif self.on == "payload":
            values |= {"payload": _read(self.payload), "tool_type": self.desk or None}
        elif self.on == "ticket":
            if not self.ticket.strip():
                raise invalid("/ticket_ref", "enter the number of a ticket, or choose one of the list")
            values |= {"ticket_ref": self.ticket, "tool_type": self.desk or None}
        try:
            return TryRequest(**values)
        except ValidationError as error:
            raise invalid_input(error) from error


@router.get("/agents/{agent_id}/try")
async def try_page(
    request: Request,
    trying: Trying,
    agent_id: UUID,
    version: Annotated[StorableText, Query(max_length=10)] = "",
    again: Annotated[UUID | None, Query(alias="from")] = None,
) -> Response:
    form = TryForm(version=version)
    if again is not None:
        async with trying.session() as session:
            form = _as_it_was(await service.get_execution(session, again), version)
    return await _page(request, trying, agent_id, form)


@router.post("/agents/{agent_id}/try")
async def start(
    request: Request, trying: Trying, agent_id: UUID, form: Annotated[TryForm, Form()], *, _safe: SafeForm
) -> Response:
    try:
        wanted, against = form.wanted(), _whole(form.against)
        numbers = [wanted.agent_version] if against is None else [against, wanted.agent_version]
        runs = [await trying.start(agent_id, wanted.model_copy(update={"agent_version": number})) for number in numbers]
    except (ConflictError, InvalidInputError, UnavailableError, DeskError) as error:
        return await _page(request, trying, agent_id, form, error=error)
    beside = f"/agents/{agent_id}/try/compare?left={runs[0].id}&right={runs[-1].id}"
    # 303, so that a reload repeats nothing.
    return RedirectResponse(f"/executions/{runs[0].id}" if against is None else beside, status_code=303)


@router.get("/agents/{agent_id}/try/compare")
async def compare(
    request: Request,
    app: App,
    viewer: Viewer,
    session: TenantSession,
    *,
    agent_id: UUID,
    left: UUID,
    right: UUID,
    seen: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    sides = [await service.get_execution(session, one) for one in (left, right)]
    if any(side.agent_id != agent_id for side in sides):
        raise NotFoundError(f"Agent {agent_id} has no such two runs.")
    shown = "".join(side.model_dump_json(exclude={"duration_ms", "heartbeat_at"}) for side in sides)
    mark = hashlib.sha256(shown.encode()).hexdigest()[:16]
    if seen == mark:
        return Response(status_code=204, headers=SECURITY_HEADERS)
    return render(
        request,
        f"executions/trials/{'_compare' if 'hx-request' in request.headers else 'compare'}.html",
        viewer=viewer,
        agent_id=agent_id,
        agent_name=sides[0].agent_name,
        sides=[(side, lay_out(side, now=app.clock())) for side in sides],
        live=not all(side.status.is_final for side in sides),
        may_operate=viewer.may("operator"),
        seen=mark,
        now=app.clock(),
    )


async def _page(
    request: Request, trying: Trials, agent_id: UUID, form: TryForm, *, error: DeskhandError | None = None
) -> Response:
    async with trying.session() as session:
        # The one that was asked for may not be there; what the agent is now always is.
        subject = await trying.subject(session, agent_id)
        versions = await trying.agents(session).list_versions(agent_id, limit=OFFERED_VERSIONS)
        not_startable = await find_why_not_startable(session, agent_id, mode=DRY_RUN)
        ready = [desk for desk in subject.desks if desk in subject.connected]
        tickets = await repository.past_tickets(session, ready, limit=OFFERED_TICKETS)
    return render(
        request,
        "executions/trials/try.html",
        status_code=error.status if error else 200,
        viewer=trying.principal,
        agent=subject.agent,
        form=form,
        chosen=form.version or str(subject.agent.current_version),
        versions=versions.items,
        desks=[(desk, trying.plugins.names.get(desk, desk), desk in subject.connected) for desk in subject.desks],
        names=trying.plugins.names,
        usual=form.desk or subject.usual_desk,
        has_schedule=subject.schedule is not None,
        schema=subject.payload_schema,
        tickets=tickets,
        not_startable=not_startable,
        may_edit=trying.principal.may("editor"),
        error=error,
        faults=_faults(error),
    )


def _as_it_was(run: ExecutionDetail, version: str) -> TryForm:
    """The form as a run was started from it, in the version that the agent is at now."""
    trial = (run.input_payload or {}).get("trial")
    values: dict[str, Any] = {"version": version, "desk": run.tool_type or ""}
    if isinstance(trial, dict) and run.ticket_ref:
        return TryForm(ticket=run.ticket_ref, **values)
    # What a schedule tells is made anew; an event is as it was pasted.
    if run.trigger_type is None and "schedule" not in (run.input_payload or {}) and run.ticket_ref:
        return TryForm(on="payload", payload=pretty_json(run.input_payload or {}), **values)
    return TryForm(ticket=run.ticket_ref or "", **values)


def _faults(error: DeskhandError | None) -> dict[str, str]:
    """What is wrong with each field, to stand beside it."""
    named = {fault.pointer.split("/")[1]: fault.detail for fault in error.errors if fault.pointer} if error else {}
    return {name: named.get(name, "") for name in _FIELDS}


def _whole(typed: str) -> int | None:
    typed = typed.strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdecimal() and 0 < int(typed) < 2**31):
        raise invalid("/agent_version", f"'{typed}' is not the number of a version")
    return int(typed)


def _read(typed: str) -> dict[str, Any]:
    try:
        payload = read_json(typed)
    except UnreadableJsonError as error:
        raise invalid("/payload", f"it is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise invalid("/payload", "it must be a JSON object")
    return payload
