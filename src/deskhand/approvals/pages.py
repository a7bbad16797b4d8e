"""What waits for whoever is looking: across all tenants the person works in, each in that tenant's own session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Authenticated, OperatorThere, SessionThere
from deskhand.access.principal import Principal, principal_in
from deskhand.approvals import service
from deskhand.approvals.schemas import MOST_AT_ONCE, ApprovalQuery, ApprovalView, BatchItem, Decline
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError, DeskhandError, FieldProblem, ForbiddenError, InvalidInputError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

SHOWN = 50
"""Calls of one tenant on the page; the API lists the rest."""

Digest = Annotated[str, Form(pattern="^[0-9a-f]{64}$")]
Done = Literal["approved", "declined", ""]


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that do the same to different tickets; of low risk, they can be approved at once."""

    calls: Sequence[ApprovalView]

    @property
    def first(self) -> ApprovalView:
        """What is said of all of them."""
        return self.calls[0]

    @property
    def as_one(self) -> bool:
        """Whether one button approves them all."""
        return len(self.calls) > 1 and self.first.as_one


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one tenant."""

    tenant_id: str
    name: str
    groups: Sequence[Group]
    more: bool


@dataclass(frozen=True, slots=True)
class _Detail:
    """The page of one call, for somebody who may be in another tenant at the moment."""

    request: Request
    app: AppState
    viewer: Principal
    operator: Principal
    session: AsyncSession

    async def show(
        self, approval_id: UUID, *, error: DeskhandError | None = None, typed: str | None = None
    ) -> Response:
        asked = await service.get_approval(self.session, approval_id)
        return render(
            self.request,
            "approvals/detail.html",
            status_code=error.status if error else 200,
            viewer=self.viewer,
            asked=asked,
            may_answer=self.operator.may(asked.approver),
            error=error,
            typed=typed,
            now=self.app.clock(),
            desks=self.app.plugins.names,
        )


async def _detail(
    request: Request, app: App, viewer: Authenticated, operator: OperatorThere, session: SessionThere
) -> _Detail:
    return _Detail(request, app, viewer, operator, session)


Detail = Annotated[_Detail, Depends(_detail)]


@router.get("/approvals")
async def list_page(
    request: Request,
    app: App,
    viewer: Authenticated,
    *,
    done: Annotated[Done, Query()] = "",
    number: Annotated[int, Query(ge=0, le=MOST_AT_ONCE)] = 1,
    left: Annotated[int, Query(ge=0, le=MOST_AT_ONCE)] = 0,
) -> Response:
    tenants = []
    for tenant_id, name in _tenants(viewer):
        there = principal_in(viewer, tenant_id)
        if there is not None and there.may("operator"):
            tenants.append(await _waiting(app, there, name))
    return render(
        request,
        "approvals/list.html",
        viewer=viewer,
        tenants=[one for one in tenants if one.groups],
        several=len(tenants) > 1,
        may_answer=bool(tenants),
        done=done,
        number=number,
        left=left,
        now=app.clock(),
        desks=app.plugins.names,
    )


@router.post("/approvals/{tenant_id}/batch")
async def approve_all(
    operator: OperatorThere,
    session: SessionThere,
    ids: Annotated[list[UUID], Form(alias="id", min_length=1, max_length=MOST_AT_ONCE)],
    digest: Annotated[list[str], Form(min_length=1, max_length=MOST_AT_ONCE)],
    *,
    _safe: SafeForm,
) -> Response:
    try:
        # Both in the order of the page, where each id stands before its digest.
        items = [BatchItem(id=one, digest=shown) for one, shown in zip(ids, digest, strict=True)]
    except ValidationError as error:
        raise invalid_input(error) from error
    except ValueError as error:
        raise InvalidInputError("Each call needs its digest.") from error
    result = await service.approve_all(session, items, principal=operator)
    return _to_list("approved", number=len(result.approved), left=len(result.left))


@router.get("/approvals/{tenant_id}/{approval_id}")
async def detail_page(approval_id: UUID, detail: Detail) -> Response:
    return await detail.show(approval_id)


@router.post("/approvals/{tenant_id}/{approval_id}/approve")
async def approve(approval_id: UUID, detail: Detail, digest: Digest, *, _safe: SafeForm) -> Response:
    try:
        await service.approve(detail.session, approval_id, digest, principal=detail.operator)
    except (ConflictError, ForbiddenError) as error:
        return await detail.show(approval_id, error=error)
    return _to_list("approved")


@router.post("/approvals/{tenant_id}/{approval_id}/decline")
async def decline(
    approval_id: UUID,
    detail: Detail,
    digest: Digest,
    *,
    reason: Annotated[str, Form(max_length=1000)] = "",
    _safe: SafeForm,
) -> Response:
    try:
        answer = Decline(digest=digest, reason=reason)
    except ValidationError as error:
        return await detail.show(approval_id, error=invalid_input(error))
    try:
        await service.decline(
            detail.session, approval_id, answer.digest, reason=answer.reason, principal=detail.operator
        )
    except (ConflictError, ForbiddenError) as error:
        return await detail.show(approval_id, error=error)
    return _to_list("declined")


@router.post("/approvals/{tenant_id}/{approval_id}/change")
async def change(
    approval_id: UUID,
    detail: Detail,
    digest: Digest,
    *,
    arguments: Annotated[StorableText, Form(max_length=200_000)],
    _safe: SafeForm,
) -> Response:
    try:
        await service.change(
            detail.session,
            approval_id,
            digest,
            arguments=read_arguments(arguments),
            principal=detail.operator,
            plugins=detail.app.plugins,
        )
    except (ConflictError, ForbiddenError, InvalidInputError) as error:
        return await detail.show(approval_id, error=error, typed=arguments)
    return RedirectResponse(f"/approvals/{detail.operator.tenant_id}/{approval_id}", status_code=303)


def read_arguments(typed: str) -> dict[str, Any]:
    """Arguments as they were typed.

    Raises:
        InvalidInputError: They are no JSON object.
    """
    try:
        value = read_json(typed)
    except UnreadableJsonError as error:
        raise _fault(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _fault("must be a JSON object")
    return value


def _fault(detail: str) -> InvalidInputError:
    return InvalidInputError("The arguments cannot be read.", errors=[FieldProblem("/arguments", detail)])


def _tenants(viewer: Principal) -> list[tuple[str, str]]:
    """Ids and names of where the caller belongs; the tenant it is in first."""
    everywhere = {one.tenant_id: one.name for one in viewer.person.tenants} if viewer.person else {}
    own = {viewer.tenant_id: everywhere.get(viewer.tenant_id, viewer.tenant_id)} if viewer.tenant_id else {}
    return list({**own, **everywhere}.items())


async def _waiting(app: App, there: Principal, name: str) -> Waiting:
    assert there.tenant_id is not None  # principal_in() names one
    async with app.db.tenant_session(there.tenant_id) as session:
        page = await service.list_approvals(session, ApprovalQuery(limit=SHOWN))
    alike: dict[str, list[ApprovalView]] = defaultdict(list)
    for one in page.items:
        # What waits for a higher role does not wait for this person.
        if there.may(one.approver):
            alike[one.likeness if one.as_one else str(one.id)].append(one)
    return Waiting(there.tenant_id, name, [Group(calls) for calls in alike.values()], page.next_cursor is not None)


def _to_list(done: Done, *, number: int = 1, left: int = 0) -> Response:
    return RedirectResponse(f"/approvals?done={done}&number={number}&left={left}", status_code=303)
