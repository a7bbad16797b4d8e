"""The models to choose from in the console, with price and size; and what is known of one that is typed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.agents.console.view import EditorAt
from deskhand.agents.model_endpoints import models_page
from deskhand.agents.offered_models import ModelOrder, offered_model
from deskhand.kit.schema import StorableText
from deskhand.llm import catalogue
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 20
ORDERS = {
    ModelOrder.KNOWN: "Best known first",
    ModelOrder.PRICE: "Cheapest first",
    ModelOrder.WINDOW: "Largest first",
    ModelOrder.NAME: "By name",
}


class PickerForm(BaseModel):
    """The list's address: what the search form sends."""

    q: StorableText = Field("", max_length=200)
    order: ModelOrder = ModelOrder.KNOWN
    agent: UUID | None = None
    cursor: str | None = Field(None, max_length=500)

    @field_validator("order", mode="before")
    @classmethod
    def _known_order(cls, value: object) -> object:
        return value if value in set(ModelOrder) else ModelOrder.KNOWN

    @field_validator("agent", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None


@router.get("/models")
async def list_page(at: EditorAt, form: Annotated[PickerForm, Query()]) -> Response:
    page = models_page(await at.listed_models(), q=form.q, order=form.order, limit=PAGE_SIZE, cursor=form.cursor)
    part = at.request.headers.get("hx-request") is not None
    return at.render("_models.html" if part else "models.html", page=page, form=form, orders=ORDERS)


@router.get("/models/facts")
async def facts_part(
    at: EditorAt,
    model: Annotated[StorableText, Query(max_length=400)] = "",
    provider: Annotated[StorableText, Query(max_length=200)] = "",
) -> Response:
    known = model_facts(name=model.strip(), provider=provider, listed=await at.listed_models())
    return at.render("_facts.html", **known)


def model_facts(*, name: str, provider: str, listed: Collection[str]) -> dict[str, Any]:
    """What the editor says of the model in its box; asked at every pause of typing, so it looks for no close names."""
    known = offered_model(name, embedded=provider == "embedded", listed=listed) if name else None
    is_unknown = bool(name) and not catalogue.is_allowed(name, listed=listed)
    return {"model": known, "model_fault": "No known model has this name." if is_unknown else ""}
