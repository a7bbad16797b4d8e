"""Knowledge over the API: articles, solved tickets, search."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response, status

from deskhand.access.guards import Editor, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.limits import open_to_limited
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.knowledge.shelves import service
from deskhand.knowledge.shelves.schemas import (
    ArticleChange,
    ArticleQuery,
    ArticleSummary,
    ArticleUpload,
    ArticleView,
    HistoryQuery,
    SearchAnswer,
    SearchQuery,
    SolvedTicketSummary,
    SolvedTicketView,
)

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"], route_class=IdempotentRoute)

ArticleId = Annotated[UUID, Path(description="The article, by the `id` of the list.")]
SolvedId = Annotated[UUID, Path(description="The solved ticket, by the `id` of the list.")]
_READ = problem_responses(NotFoundError, InvalidInputError)
_ADD = problem_responses(ConflictError, InvalidInputError)


@router.get("/articles", operation_id="list_articles", responses=_READ)
@open_to_limited
async def list_articles(
    _viewer: Viewer, session: TenantSession, query: Annotated[ArticleQuery, Query()]
) -> Page[ArticleSummary]:
    """List articles, by their ids."""
    page = await service.list_articles(session, query)
    items = [ArticleSummary.model_validate(one) for one in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.post("/articles", operation_id="add_article", status_code=status.HTTP_201_CREATED, responses=_ADD)
async def add_article(editor: Editor, session: TenantSession, data: ArticleUpload) -> ArticleView:
    """Add an article, in Markdown or HTML; a worker makes its vector."""
    assert editor.tenant_id is not None  # the session is of one
    added = await service.add_article(session, editor.tenant_id, data, actor=editor.actor)
    return ArticleView.model_validate(added)


@router.get("/articles/{article_id}", operation_id="get_article", responses=_READ)
@open_to_limited
async def get_article(viewer: Viewer, session: TenantSession, article_id: ArticleId) -> ArticleView:
    """Get one article with its text; that of a restricted one an administrator alone is shown."""
    article = await service.get_article(session, article_id)
    view = ArticleView.model_validate(article)
    is_closed = service.is_closed(article, may_open=viewer.may("tenant_admin"))
    return view.model_copy(update={"body": ""}) if is_closed else view


@router.patch("/articles/{article_id}", operation_id="change_article", responses=_READ)
async def change_article(
    editor: Editor, session: TenantSession, article_id: ArticleId, data: ArticleChange
) -> ArticleView:
    """Change an article. What is left out stays; an address set to null is cleared."""
    changed = await service.change_article(
        session, article_id, data, actor=editor.actor, may_open=editor.may("tenant_admin")
    )
    return ArticleView.model_validate(changed)


@router.delete(
    "/articles/{article_id}",
    operation_id="delete_article",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_READ,
)
async def delete_article(editor: Editor, session: TenantSession, article_id: ArticleId) -> Response:
    """Delete an article; notes cite it no more."""
    await service.remove_article(session, article_id, actor=editor.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get("/history", operation_id="list_history", responses=_READ)
@open_to_limited
async def list_history(
    _viewer: Viewer, session: TenantSession, query: Annotated[HistoryQuery, Query()]
) -> Page[SolvedTicketSummary]:
    """List solved tickets, the one that came in last first."""
    page = await service.list_history(session, query)
    items = [SolvedTicketSummary.model_validate(one) for one in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.get("/history/{solved_id}", operation_id="get_solved_ticket", responses=_READ)
@open_to_limited
async def get_solved_ticket(_viewer: Viewer, session: TenantSession, solved_id: SolvedId) -> SolvedTicketView:
    """Get one solved ticket with its texts."""
    return SolvedTicketView.model_validate(await service.get_solved_ticket(session, solved_id))


@router.delete(
    "/history/{solved_id}",
    operation_id="delete_solved_ticket",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_READ,
)
async def delete_solved_ticket(editor: Editor, session: TenantSession, solved_id: SolvedId) -> Response:
    """Take a ticket out of the history; it comes back if its desk reports it again."""
    await service.remove_solved_ticket(session, solved_id, actor=editor.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get("/search", operation_id="search_knowledge", responses=problem_responses(InvalidInputError))
@open_to_limited
async def search_knowledge(
    _viewer: Viewer, session: TenantSession, query: Annotated[SearchQuery, Query()]
) -> SearchAnswer:
    """Search as a run does: solved tickets first, then articles, each best first and with why it was found."""
    return SearchAnswer(items=await service.search(session, query))
