"""The models that agents may use, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from deskhand.access.guards import Viewer
from deskhand.agents.offered_models import ModelOrder, OfferedModel, offered_models
from deskhand.appstate import App
from deskhand.errors import InvalidInputError
from deskhand.kit.page import Page, PageCursor, PageLimit, decode_cursor, encode_cursor
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import StorableText

router = APIRouter(prefix="/api/v1/models", tags=["agents"])


@router.get("", operation_id="list_models", responses=problem_responses(InvalidInputError))
async def list_models(
    _caller: Viewer,
    app: App,
    *,
    q: Annotated[StorableText, Query(max_length=200, description="Words in the name.")] = "",
    order: Annotated[ModelOrder, Query(description="What comes first.")] = ModelOrder.KNOWN,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[OfferedModel]:
    """List the models that agents may use, with price and size; dated variants of them are allowed besides."""
    return models_page(app, q=q, order=order, limit=limit, cursor=cursor)


def models_page(app: App, *, q: str, order: ModelOrder, limit: int, cursor: str | None) -> Page[OfferedModel]:
    """One page of them.

    Raises:
        NotFoundError: The cursor is none of this list.
    """
    found = offered_models(listed=app.listed_models, q=q, order=order)
    (start,) = decode_cursor(cursor, int) or (0,)
    more = start + limit < len(found)
    return Page(items=found[start : start + limit], next_cursor=encode_cursor(start + limit) if more else None)
