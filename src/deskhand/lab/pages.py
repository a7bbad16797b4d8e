"""The replay lab in the console: begin a run, its report with the tickets where it was wrong first, and test cases."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ConfigDict, Field, ValidationError

from deskhand.access.forms import SafeForm
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, FieldProblem, InvalidInputError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import InputModel, StorableText
from deskhand.lab.comparing import COMPARED
from deskhand.lab.endpoints import Looking, Trying
from deskhand.lab.models import LabState
from deskhand.lab.schemas import LEAST, MOST, Expected, LabRequest, NewTestCase
from deskhand.lab.service import Lab
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Body = TypeVar("Body", bound=InputModel)

PAGE = 50
RUNS = 20
Text = Annotated[StorableText, Field(max_length=500)]
Cursor = Annotated[str, Query(max_length=500)]


class LabForm(InputModel):
    """What was typed to begin a run; the schema of the API judges it."""

    model_config = ConfigDict(extra="ignore")  # the form's own token comes with it

    version: Text = ""
    desk: Text = ""
    tickets: Text = "50"
    test_cases: Text = ""
    parallel: Text = "2"
    max_cost_usd: Text = "5"

    def wanted(self) -> LabRequest:
        """The body of ``POST .../lab-runs`` that it amounts to.

        Raises:
            InvalidInputError: Something cannot be read.
        """
        numbers = {"tickets": self.tickets or "0", "parallel": self.parallel}
        numbers |= {"agent_version": self.version} if self.version else {}
        whole = {name: _whole(text) for name, text in numbers.items()}
        if faults := [FieldProblem(f"/{name}", "must be a whole number") for name, one in whole.items() if one is None]:
            raise InvalidInputError("Some of it is no whole number.", errors=faults)
        others = {"test_cases": self.test_cases == "true", "max_cost_usd": self.max_cost_usd}
        return _read(LabRequest, {**whole, **others, "tool_type": self.desk or None})


class KeepForm(InputModel):
    """What was typed to keep a ticket; one article or ticket a line."""

    model_config = ConfigDict(extra="ignore")

    name: Text = ""
    category: Text = ""
    priority: Text = ""
    group: Text = ""
    solution: StorableText = Field("", max_length=5_000)

    def wanted(self, execution_id: UUID) -> NewTestCase:
        """The body of ``POST .../test-cases`` that it amounts to.

        Raises:
            InvalidInputError: Nothing is expected, or something is too long.
        """
        named = [line.strip() for line in self.solution.splitlines() if line.strip()]
        fields = {name: value for name in ("category", "priority", "group") if (value := getattr(self, name).strip())}
        expected = _read(Expected, {**fields, "solution": named})
        return _read(NewTestCase, {"execution_id": execution_id, "name": self.name, "expected": expected})


@router.get("/agents/{agent_id}/lab")
async def lab_page(request: Request, lab: Looking, app: App, agent_id: UUID, cursor: Cursor = "") -> Response:
    return await _lab_page(request, lab, app, agent_id, cursor=cursor)


@router.post("/agents/{agent_id}/lab")
async def begin(
    request: Request, lab: Trying, app: App, agent_id: UUID, *, form: Annotated[LabForm, Form()], _safe: SafeForm
) -> Response:
    try:
        run = await lab.start(agent_id, form.wanted())
    except (ConflictError, InvalidInputError) as error:
        return await _lab_page(request, lab, app, agent_id, form=form, error=error)
    return RedirectResponse(f"/lab/{run.id}", status_code=303)


@router.get("/lab/{lab_run_id}")
async def report(
    request: Request,
    lab: Looking,
    app: App,
    lab_run_id: UUID,
    *,
    cursor: Cursor = "",
    seen: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    run = await lab.get(lab_run_id)
    page = await lab.cases(lab_run_id, limit=PAGE, cursor=cursor or None)
    shown = run.model_dump_json() + "".join(one.model_dump_json() for one in page.items)
    mark = hashlib.sha256(shown.encode()).hexdigest()[:16]
    if seen == mark:
        return Response(status_code=204, headers=SECURITY_HEADERS)
    return render(
        request,
        f"lab/{'_run' if 'hx-request' in request.headers else 'run'}.html",
        viewer=lab.principal,
        run=run,
        page=page,
        cursor=cursor,
        compared=COMPARED,
        live=run.state is LabState.RUNNING,
        desks=app.plugins.names,
        may_operate=lab.principal.may("operator"),
        seen=mark,
        now=app.clock(),
    )


@router.post("/lab/{lab_run_id}/cancel")
async def cancel(lab: Trying, lab_run_id: UUID, _safe: SafeForm) -> Response:
    await lab.cancel(lab_run_id)
    return RedirectResponse(f"/lab/{lab_run_id}", status_code=303)


@router.get("/executions/{execution_id}/keep")
async def keep_page(request: Request, lab: Trying, execution_id: UUID) -> Response:
    return await _keep_page(request, lab, execution_id)


@router.post("/executions/{execution_id}/keep")
async def keep(
    request: Request, lab: Trying, execution_id: UUID, *, form: Annotated[KeepForm, Form()], _safe: SafeForm
) -> Response:
    try:
        test = await lab.keep((await lab.read(execution_id)).agent_id, form.wanted(execution_id))
    except (ConflictError, InvalidInputError) as error:
        return await _keep_page(request, lab, execution_id, form=form, error=error)
    return RedirectResponse(f"/agents/{test.agent_id}/lab#tests", status_code=303)


@router.post("/test-cases/{test_case_id}/remove")
async def remove(lab: Trying, test_case_id: UUID, _safe: SafeForm) -> Response:
    agent_id = await lab.remove(test_case_id)
    return RedirectResponse(f"/agents/{agent_id}/lab#tests", status_code=303)


async def _lab_page(
    request: Request,
    lab: Lab,
    app: App,
    agent_id: UUID,
    *,
    form: LabForm | None = None,
    error: DeskhandError | None = None,
    cursor: str = "",
) -> Response:
    subject = await lab.subject(agent_id)
    return render(
        request,
        "lab/lab.html",
        status_code=error.status if error else 200,
        viewer=lab.principal,
        agent=subject.agent,
        versions=subject.versions,
        connected=[(desk, app.plugins.names.get(desk, desk)) for desk in subject.desks],
        desks=app.plugins.names,
        not_startable=subject.not_startable,
        runs=await lab.runs(agent_id, limit=RUNS, cursor=cursor or None),
        tests=await lab.test_cases(agent_id),
        form=form or LabForm(test_cases="true"),
        least=LEAST,
        most=MOST,
        may_operate=lab.principal.may("operator"),
        error=error,
        faults=_faults(error),
        now=app.clock(),
    )


async def _keep_page(
    request: Request,
    lab: Lab,
    execution_id: UUID,
    *,
    form: KeepForm | None = None,
    error: DeskhandError | None = None,
) -> Response:
    read = await lab.read(execution_id)
    said = read.said
    usual = KeepForm(name=(read.subject or "")[:200], **said.fields, solution="\n".join(said.cited))
    return render(
        request,
        "lab/keep.html",
        status_code=error.status if error else 200,
        viewer=lab.principal,
        execution_id=execution_id,
        read=read,
        form=form or usual,
        error=error,
        faults=_faults(error),
    )


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _read(model: type[Body], values: dict[str, Any]) -> Body:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_input(error) from error


def _faults(error: DeskhandError | None) -> dict[str, str]:
    """By field, what is wrong with it."""
    return {one.pointer.rpartition("/")[2]: one.detail for one in getattr(error, "errors", ())}
