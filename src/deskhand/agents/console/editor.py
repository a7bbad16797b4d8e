"""Agents made and changed in the console: from a template, by the editor; secrets replaced; an agent as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError

from deskhand.access.forms import SafeForm
from deskhand.agents.bodies import AgentPatch, AgentPost
from deskhand.agents.console import words
from deskhand.agents.console.chain import (
    CHAIN_WORDS,
    TRIGGER_WORDS,
    chain_faults,
    chain_settings,
    link_words,
    typed_chain,
)
from deskhand.agents.console.picker import ORDERS, PickerForm, model_facts
from deskhand.agents.console.picker import router as picker_pages
from deskhand.agents.console.sample import VARIABLE_WORDS, Preview, preview
from deskhand.agents.console.view import AtPage, EditorAt, Looking, Revision, Told
from deskhand.agents.documents import as_file, content_of
from deskhand.agents.models import Agent
from deskhand.agents.schemas import PROMPT_LENGTH
from deskhand.agents.templates.catalogue import agent_from, find_template, model_at_hand, templates
from deskhand.agents.webhook_secrets import MAX_GRACE_SECONDS, RotateSecret
from deskhand.errors import (
    ConflictError,
    DeskhandError,
    FieldProblem,
    InvalidInputError,
    NotFoundError,
    PreconditionFailedError,
)
from deskhand.gateways.schemas import INSTALLATION
from deskhand.gateways.service import visible
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.kit.yaml import write_yaml
from deskhand.llm import catalogue
from deskhand.llm.config_keys import PROVIDERS
from deskhand.tenants.service import TenantService
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)
router.include_router(picker_pages)

OF_TENANT = "-"
"""What the form says for no connection of an agent's own; an empty value would be as none at all."""
TICKED = "yes"
"""What a box of the form says beside ``no``, which is always sent."""
OFFERED_MODELS = 60
"""As many as fit a list that one looks through; every other name can be typed."""
_FIELDS = ("name", "description", "system_prompt")
_NUMBERS = ("temperature", "max_tokens", "top_p", "frequency_penalty", "presence_penalty")
_SETTINGS = ("provider", "model", *_NUMBERS)


class EditForm(BaseModel):
    """What was typed; the schema of the API judges it."""

    name: StorableText = Field("", max_length=1000)
    description: StorableText = Field("", max_length=20_000)
    system_prompt: StorableText = Field("", max_length=200_000)
    provider: StorableText = Field("", max_length=200)
    connection: StorableText | None = Field(None, max_length=200)
    model: StorableText = Field("", max_length=400)
    local_only: list[Annotated[StorableText, Field(max_length=10)]] = Field(default_factory=list, max_length=4)
    temperature: StorableText = Field("", max_length=40)
    max_tokens: StorableText = Field("", max_length=40)
    top_p: StorableText = Field("", max_length=40)
    frequency_penalty: StorableText = Field("", max_length=40)
    presence_penalty: StorableText = Field("", max_length=40)
    chain: StorableText = Field("", max_length=40)
    fallbacks: StorableText = Field("", max_length=20_000)
    fallback_on: list[Annotated[StorableText, Field(max_length=40)]] = Field(default_factory=list, max_length=20)

    @classmethod
    def of(cls, agent: Agent) -> EditForm:
        """The form as it stands before anybody typed."""
        config = agent.llm_config or {}
        settings = {name: str(config.get(name, "")) for name in _SETTINGS} | typed_chain(config)
        settings["connection"] = str(config.get("connection") or "")
        settings["local_only"] = [TICKED] if config.get("local_only") else []
        return cls(name=agent.name, description=agent.description or "", system_prompt=agent.system_prompt, **settings)

    def changes(self, agent: Agent) -> dict[str, Any]:
        """The body of ``PATCH`` that it amounts to: settings that the form does not show stay."""
        config = chain_settings(
            agent.llm_config or {}, chain=self.chain, fallbacks=self.fallbacks, fallback_on=self.fallback_on
        )
        config |= {"provider": self.provider.strip(), "model": self.model.strip()}
        # Where a tenant has no connections the form has no place for one, and what an agent names stays.
        if self.connection:
            config.pop("connection", None)
            config |= {} if self.connection == OF_TENANT else {"connection": self.connection.strip()}
        # A box that is not ticked sends nothing; the form says beside it that it has one.
        if self.local_only and (TICKED in self.local_only) != bool(config.get("local_only")):
            config.pop("local_only", None)
            config |= {"local_only": True} if TICKED in self.local_only else {}
        for name in _NUMBERS:
            typed = getattr(self, name).strip()
            config.pop(name, None)
            config |= {name: _number(typed)} if typed else {}
        # Browsers end the lines of a form in two characters; kept so, each save would be a new version.
        return {
            "name": self.name,
            "description": _lines(self.description) or None,
            "system_prompt": _lines(self.system_prompt),
            "llm_config": config,
        }


@router.get("/new")
async def templates_page(at: EditorAt) -> Response:
    return _templates(at)


@router.post("/new")
async def begin(at: EditorAt, template: Annotated[StorableText, Form(max_length=100)], _safe: SafeForm) -> Response:
    try:
        async with at.session() as session:
            tenants = TenantService(session, secrets=at.app.secrets, plugins=at.app.plugins)
            desk = (await tenants.get_tenant(at.tenant_id)).tool_type
            body = agent_from(find_template(template), desk=desk, plugins=at.app.plugins)
            body |= model_at_hand(at.app.gateway)
            agent, made = await at.agents(session).create_agent(AgentPost.model_validate(body))
    except (ConflictError, InvalidInputError) as error:
        return _templates(at, Told(error=error))
    return await at.show(agent.id, Told(done="create", secrets=made))


@router.get("/{agent_id}/edit")
async def edit_page(
    at: EditorAt,
    agent_id: UUID,
    *,
    model: Annotated[StorableText, Query(max_length=400)] = "",
    provider: Annotated[StorableText, Query(max_length=100)] = "litellm",
) -> Response:
    return await _editor(at, agent_id, chosen={"model": model, "provider": provider} if model else {})


@router.post("/{agent_id}/preview")
async def preview_prompt(at: EditorAt, agent_id: UUID, form: Annotated[EditForm, Form()], _safe: SafeForm) -> Response:
    if at.request.headers.get("hx-request") is None:
        return await _editor(at, agent_id, form, with_preview=True)
    async with at.session() as session:
        agent = await at.agents(session).get_agent(agent_id)
    return at.render("_preview.html", preview=_previewed(at, agent, form))


@router.post("/{agent_id}/edit")
async def save(
    at: EditorAt, agent_id: UUID, form: Annotated[EditForm, Form()], *, revision: Revision, _safe: SafeForm
) -> Response:
    try:
        async with at.session() as session:
            agents = at.agents(session)
            changes = AgentPatch.model_validate(form.changes(await agents.get_agent(agent_id)))
            await agents.update_agent(agent_id, changes, if_match=f'"{revision}"')
    except ValidationError as error:
        return await _editor(at, agent_id, form, invalid_input(error))
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await _editor(at, agent_id, form, error)
    return RedirectResponse(f"/agents/{agent_id}?done=save", status_code=303)


@router.post("/{agent_id}/triggers/{trigger_id}/rotate")
async def rotate(
    at: EditorAt,
    agent_id: UUID,
    trigger_id: UUID,
    *,
    grace_seconds: Annotated[int, Form(ge=0, le=MAX_GRACE_SECONDS)],
    revision: Revision,
    _safe: SafeForm,
) -> Response:
    wanted = RotateSecret(trigger_id=trigger_id, grace_seconds=grace_seconds)
    try:
        async with at.session() as session:
            agents = at.agents(session)
            # Before the revision is looked at: what is not there is not there, however old the page is.
            if trigger_id not in {trigger.id for trigger in (await agents.get_agent(agent_id)).triggers}:
                raise NotFoundError(f"The agent has no trigger {trigger_id}.")
            _, secret = await agents.rotate_secret(agent_id, wanted, if_match=f'"{revision}"')
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await at.show(agent_id, Told(error=error))
    return await at.show(agent_id, Told(done="rotate", secrets={trigger_id: secret}))


@router.get("/{agent_id}/file")
async def as_a_file(at: AtPage, agent_id: UUID) -> Response:
    async with at.session() as session:
        content = content_of(await at.agents(session).get_agent(agent_id))
    headers = {"Content-Disposition": f'attachment; filename="agent-{agent_id}.yaml"', "Cache-Control": "no-store"}
    return Response(write_yaml(as_file(content)), media_type="application/yaml", headers=headers)


def _templates(at: Looking, told: Told | None = None) -> Response:
    return at.render("new.html", told, templates=templates(), outcome_words=words.OUTCOME_WORDS)


async def _editor(
    at: Looking,
    agent_id: UUID,
    form: EditForm | None = None,
    error: DeskhandError | None = None,
    *,
    chosen: Mapping[str, str] | None = None,
    with_preview: bool = False,
) -> Response:
    async with at.session() as session:
        agent = await at.agents(session).get_agent(agent_id)
        connections = [(row.slug, row.name) for row in await visible(session, at.tenant_id)]
        tenants = TenantService(session, secrets=at.app.secrets, plugins=at.app.plugins)
        rules = ((await tenants.get_tenant(at.tenant_id)).enhancement_preferences or {}).get("models") or {}
    shown = (form or EditForm.of(agent)).model_copy(update=dict(chosen or {}))
    listed = await at.listed_models()
    names = catalogue.known_names(listed=sorted(listed))[:OFFERED_MODELS]
    return at.render(
        "edit.html",
        Told(error=error),
        agent=agent,
        form=shown,
        chosen=bool(chosen),
        preview=_previewed(at, agent, shown) if with_preview else None,
        picked=PickerForm(agent=agent_id),
        orders=ORDERS,
        **model_facts(name=shown.model.strip(), provider=shown.provider, listed=listed),
        faults=faults_by_field(error),
        models=[(name, words.price_words(name), words.window_words(name, embedded=False)) for name in names],
        providers=PROVIDERS,
        chain_words=CHAIN_WORDS,
        trigger_words=TRIGGER_WORDS,
        tenant_chain=link_words(rules.get("fallbacks") or ()),
        connections=[(INSTALLATION, "the installation's settings"), *connections] if connections else [],
        variables=VARIABLE_WORDS,
        longest=PROMPT_LENGTH[1],
    )


def _previewed(at: Looking, agent: Agent, form: EditForm) -> Preview:
    return preview(
        _lines(form.system_prompt),
        agent_name=form.name.strip() or agent.name,
        tenant_name=agent.tenant_id,
        today=at.app.clock(),
    )


def faults_by_field(error: DeskhandError | None) -> dict[str, str]:
    """What is wrong with each field of the editor, to stand beside it."""
    faults = error.errors if isinstance(error, ConflictError | InvalidInputError) else ()
    # Of a chain's models each has its own model and connection, which are not the agent's.
    named = {_field_of(fault): fault.detail for fault in faults if "/fallback" not in fault.pointer}
    return {name: named.get(name, "") for name in (*_FIELDS, *_SETTINGS, "connection")} | chain_faults(faults)


def _field_of(fault: FieldProblem) -> str:
    last = fault.pointer.split("/")[-1]
    if last != "llm_config":
        return last
    # What is judged of all settings together begins with the name of the one it is about, or is about the model.
    first = fault.detail.partition(" ")[0]
    return first if first in _SETTINGS else "model"


def _number(typed: str) -> float | int | str:
    """A number as it was meant; what is none stays a text, which the schema refuses by its own sentence."""
    try:
        return int(typed) if typed.isdecimal() else float(typed)
    except ValueError:
        return typed


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
