"""Templates over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from deskhand.access.guards import TenantSession, Viewer
from deskhand.agents.templates.catalogue import Template, agent_from, find_template, templates
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import StorableText
from deskhand.tenants.endpoints import Plugins
from deskhand.tenants.service import TenantService

router = APIRouter(prefix="/api/v1/agent-templates", tags=["agents"])

Slug = Annotated[StorableText, Path(max_length=100, description="Which template.")]
Desk = Annotated[
    StorableText | None,
    Query(max_length=100, description="For which desk; left out, the tenant's own.", examples=["jira"]),
]


class TemplateSummary(BaseModel):
    """An agent to begin from."""

    slug: str = Field(examples=["shift-digest"])
    name: str
    description: str | None
    triggers: list[str] = Field(description="What starts it: `webhook`, `schedule`.")
    outcome: str = Field(description="What its runs end in.")


class TemplateView(TemplateSummary):
    """An agent to begin from, whole."""

    file: str = Field(description="The same as `deskhand apply` reads it.")
    agent: dict[str, Any] = Field(
        description="Body for `POST /api/v1/agents`: a draft, with the tenant's desk in place. What is an example in"
        " it, such as recipients of mail, is to be changed first."
    )


@router.get("", operation_id="list_agent_templates", responses=problem_responses(InvalidInputError))
async def list_agent_templates(_caller: Viewer) -> list[TemplateSummary]:
    """Agents to begin from."""
    return [TemplateSummary.model_validate(_summary(template)) for template in templates().values()]


@router.get(
    "/{slug}",
    operation_id="get_agent_template",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def get_agent_template(
    slug: Slug, caller: Viewer, session: TenantSession, app: App, plugins: Plugins, *, desk: Desk = None
) -> TemplateView:
    """One template, filled in for the caller's tenant."""
    assert caller.tenant_id is not None  # the session dependency refused it before
    template = find_template(slug)
    tenant = await TenantService(session, secrets=app.secrets, plugins=plugins).get_tenant(caller.tenant_id)
    agent = agent_from(template, desk=desk or tenant.tool_type, plugins=plugins)
    return TemplateView.model_validate({**_summary(template), "file": template.text, "agent": agent})


def _summary(template: Template) -> dict[str, Any]:
    document = template.document
    return {
        "slug": template.slug,
        "name": document.name,
        "description": document.description,
        "triggers": [trigger.trigger_type.value for trigger in document.triggers],
        "outcome": document.outcome.kind.value,
    }
