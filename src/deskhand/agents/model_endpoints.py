"""The models that agents may use, over HTTP."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Query

from deskhand.access.guards import Viewer
from deskhand.agents.offered_models import ModelOrder, OfferedModel, offered_models
from deskhand.appstate import App, AppState
from deskhand.errors import InvalidInputError
from deskhand.gateways.reach import offered_names
from deskhand.kit.page import Page, PageCursor, PageLimit, decode_cursor, encode_cursor
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import StorableText

router = APIRouter(prefix="/api/v1/models", tags=["agents"])


@router.get("", operation_id="list_models", responses=problem_responses(InvalidInputError))
async def list_models(
    caller: Viewer,
    app: App,
    *,
    q: Annotated[StorableText, Query(max_length=200, description="Words in the name.")] = "",
    order: Annotated[ModelOrder, Query(description="What comes first.")] = ModelOrder.KNOWN,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[OfferedModel]:
    """List the models that agents may use, with price and size; dated variants of them are allowed besides."""
    assert caller.tenant_id is not None  # the guard asks for a role that only a tenant's own have
    listed = await listed_models(app, caller.tenant_id)
    return models_page(listed, q=q, order=order, limit=limit, cursor=cursor)


async def listed_models(app: AppState, tenant_id: str) -> frozenset[str]:
    """What the gateways list that a tenant may use: the installation's, and those of its connections."""
    async with app.db.tenant_session(tenant_id) as session:
        return app.listed_models | await offered_names(session, tenant_id)


def models_page(
    listed: Collection[str], *, q: str, order: ModelOrder, limit: int, cursor: str | None
) -> Page[OfferedModel]:
    """One page of them; ``listed`` are those that gateways list.

    Raises:
        NotFoundError: The cursor is none of this list.
    """
    found = offered_models(listed=listed, q=q, order=order)
    (start,) = decode_cursor(cursor, int) or (0,)
    more = start + limit < len(found)
    return Page(items=found[start : start + limit], next_cursor=encode_cursor(start + limit) if more else None)
