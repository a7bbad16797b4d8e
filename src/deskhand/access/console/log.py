"""The page of the audit log: who did what, when and from where, and what was before and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, field_validator
from starlette.datastructures import URL

from deskhand.access.guards import TenantAdmin, TenantSession
from deskhand.appstate import App
from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.audit.models import AuditLog
from deskhand.kit.schema import StorableText
from deskhand.ui.format import pretty_json
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
OUTCOMES = {"": "Any outcome", "success": "Success", "failure": "Failure", "denied": "Denied"}
_CHANGE = ("before", "after")


class LogForm(BaseModel):
    """The page's address: what the filter form sends, every field possibly empty."""

    actor: StorableText = Field("", max_length=255)
    operation: StorableText = Field("", max_length=255)
    outcome: StorableText = Field("", max_length=20)
    since: date | None = None
    until: date | None = None
    cursor: StorableText | None = Field(None, max_length=500)

    @field_validator("since", "until", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def filters(self) -> AuditFilters:
        """What to ask for; both days are in it."""
        return AuditFilters(
            actor=self.actor.strip() or None,
            operation=self.operation.strip() or None,
            status=self.outcome or None,
            since=_midnight(self.since),
            until=_midnight(self.until + timedelta(days=1)) if self.until and self.until < date.max else None,
        )

    @property
    def is_empty(self) -> bool:
        """Whether everything is shown."""
        return self.filters() == AuditFilters()

    def next_page(self, cursor: str) -> str:
        """The address of the entries before these."""
        values = self.model_dump(mode="json", exclude={"cursor"}) | {"cursor": cursor}
        return _address("/audit", values)

    def export(self, form: str) -> str:
        """Where the API gives these entries as a file: one rule for which, on the page and in the file."""
        filters = self.filters()
        values = {
            "format": form,
            "actor": filters.actor,
            "operation": filters.operation,
            "status": filters.status,
            "since": filters.since.isoformat() if filters.since else None,
            "until": filters.until.isoformat() if filters.until else None,
        }
        return _address("/api/v1/audit/export", values)


@router.get("/audit")
async def audit_page(
    request: Request,
    app: App,
    viewer: TenantAdmin,
    session: TenantSession,
    form: Annotated[LogForm, Query()],
) -> Response:
    page = await audit.list_entries(
        session, tenant_id=viewer.tenant_id or "", filters=form.filters(), limit=PAGE_SIZE, cursor=form.cursor
    )
    return render(
        request,
        "access/console/log.html",
        viewer=viewer,
        form=form,
        page=page,
        changes={entry.id: changes_of(entry) for entry in page.items},
        facts={entry.id: facts_of(entry) for entry in page.items},
        outcomes=OUTCOMES,
        now=app.clock(),
    )


def changes_of(entry: AuditLog) -> list[tuple[str, str, str]]:
    """What differs, as name, before and after; an empty text where there was nothing."""
    before, after = (_mapping(entry.details.get(name)) for name in _CHANGE)
    return [(name, _said(before, name), _said(after, name)) for name in sorted({*before, *after})]


def facts_of(entry: AuditLog) -> list[tuple[str, str]]:
    """What else the entry says."""
    rest = {name: value for name, value in entry.details.items() if name not in _CHANGE}
    return [(name, _said(rest, name)) for name in sorted(rest)]


def _said(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    return value if isinstance(value, str) else pretty_json(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day is not None else None


def _address(path: str, values: Mapping[str, str | None]) -> str:
    return str(URL(path).include_query_params(**{name: value for name, value in values.items() if value}))
