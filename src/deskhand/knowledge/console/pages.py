"""What a tenant knows, in the console: a search that says why it found what it found, articles, solved tickets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Editor, TenantSession, Viewer
from deskhand.access.limits import open_to_limited
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError, DeskhandError, ForbiddenError, InvalidInputError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import InputModel, StorableText
from deskhand.knowledge.audience import Audience
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.schemas import TEXT_LIMIT
from deskhand.knowledge.shelves import service
from deskhand.knowledge.shelves.schemas import ArticleChange, ArticleQuery, ArticleUpload, HistoryQuery, SearchQuery
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/knowledge", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)

PAGE_SIZE = 50
HITS = 10
AUDIENCES = {
    "public": ("Public", "Whoever writes to the desk. Answers to requesters may rest on it."),
    "internal": ("Internal", "Technicians alone. Notes for them cite it, and no answer to a requester rests on it."),
    "restricted": ("Restricted", "A few groups. No agent and no search finds it until an administrator opens it."),
}
"""Of each audience, its name and what it means."""


class SearchForm(BaseModel):
    """What somebody looks for; nothing at first."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[StorableText, Field(max_length=2000)] = ""
    kind: Literal["all", "history", "articles"] = "all"


class ListForm(BaseModel):
    """One page of a list, and which words are in it."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[StorableText, Field(max_length=200)] = ""
    cursor: Annotated[StorableText | None, Field(max_length=500)] = None


class ArticlesForm(ListForm):
    """The same of articles, and for whom they are."""

    audience: Audience | Literal[""] = ""


class ArticleForm(InputModel):
    """An article as it was typed; whether it is one, the API's own model says."""

    csrf: str = Field("", max_length=200)
    article_id: Annotated[StorableText, Field(max_length=1000)] = ""
    title: Annotated[StorableText, Field(max_length=5000)] = ""
    body: Annotated[StorableText, Field(max_length=2 * TEXT_LIMIT)] = ""
    url: Annotated[StorableText, Field(max_length=5000)] = ""
    tags: Annotated[StorableText, Field(max_length=10_000)] = ""
    audience: Annotated[StorableText, Field(max_length=100)] = Audience.INTERNAL.value
    audience_groups: Annotated[StorableText, Field(max_length=10_000)] = ""

    def facts(self) -> dict[str, Any]:
        """What stands in the fields, as the API takes it."""
        tags, groups = ([one.strip() for one in typed.split(",") if one.strip()]
                        for typed in (self.tags, self.audience_groups))  # fmt: skip
        plain = {"title": self.title.strip(), "body": self.body, "url": self.url.strip() or None, "tags": tags}
        return {**plain, "audience": self.audience, "audience_groups": groups}

    def changes(self, article: KnowledgeArticle) -> dict[str, Any]:
        """The same for an article that is there; an audience that nobody touched was not chosen here."""
        facts = self.facts()
        kept = facts["audience"] == article.audience and facts["audience_groups"] == article.audience_groups
        return {name: value for name, value in facts.items() if not (kept and name.startswith("audience"))}

    @classmethod
    def of(cls, article: KnowledgeArticle) -> ArticleForm:
        """What stands in the fields of an article that is there. Longer than may be typed is shown all the same."""
        return cls.model_construct(
            article_id=article.article_id,
            title=article.title,
            body=article.body,
            url=article.url or "",
            tags=", ".join(article.tags),
            audience=article.audience,
            audience_groups=", ".join(article.audience_groups),
        )


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What every page here needs."""

    request: Request
    app: AppState
    viewer: Principal
    session: AsyncSession

    def show(self, template: str, *, error: DeskhandError | None = None, **context: Any) -> Response:
        return render(
            self.request,
            f"knowledge/console/{template}.html",
            status_code=error.status if error else 200,
            viewer=self.viewer,
            may_edit=self.viewer.may("editor"),
            audiences=AUDIENCES,
            desks=self.app.plugins.names,
            error=error,
            now=self.app.clock(),
            **context,
        )


async def _shelf(request: Request, app: App, viewer: Viewer, session: TenantSession) -> _Shelf:
    return _Shelf(request, app, viewer, session)


async def _shelf_of_editor(request: Request, app: App, viewer: Editor, session: TenantSession) -> _Shelf:
    return _Shelf(request, app, viewer, session)


Shelf = Annotated[_Shelf, Depends(_shelf)]
EditorShelf = Annotated[_Shelf, Depends(_shelf_of_editor)]


@router.get("")
@open_to_limited
async def search_page(shelf: Shelf, form: Annotated[SearchForm, Query()]) -> Response:
    words = form.q.strip()
    hits = None
    if words:
        hits = await service.search(shelf.session, SearchQuery(q=words, kind=form.kind, limit=HITS))
    return shelf.show("search", form=form, hits=hits)


# -- articles --------------------------------------------------------------------------------------------------------


@router.get("/articles")
@open_to_limited
async def articles_page(shelf: Shelf, form: Annotated[ArticlesForm, Query()]) -> Response:
    wanted = form.audience or None
    query = ArticleQuery(q=form.q.strip() or None, audience=wanted, limit=PAGE_SIZE, cursor=form.cursor)
    return shelf.show("articles", form=form, page=await service.list_articles(shelf.session, query))


@router.get("/articles/new")
async def new_article_page(shelf: EditorShelf) -> Response:
    return shelf.show("article_form", article=None, typed=ArticleForm())


@router.post("/articles")
async def add_article(
    editor: Editor, shelf: EditorShelf, *, _safe: SafeForm, typed: Annotated[ArticleForm, Form()]
) -> Response:
    assert editor.tenant_id is not None  # the session is of one
    try:
        data = ArticleUpload.model_validate({**typed.facts(), "article_id": typed.article_id.strip()})
        # A savepoint: the page that shows the conflict still reads from this transaction.
        async with shelf.session.begin_nested():
            article = await service.add_article(shelf.session, editor.tenant_id, data, actor=editor.actor)
    except ValidationError as error:
        return shelf.show("article_form", article=None, typed=typed, error=invalid_input(error))
    except (ConflictError, InvalidInputError) as error:
        return shelf.show("article_form", article=None, typed=typed, error=error)
    return _to_article(article.id)


@router.get("/articles/{article_id}")
@open_to_limited
async def article_page(shelf: Shelf, article_id: UUID) -> Response:
    article = await service.get_article(shelf.session, article_id)
    is_closed = service.is_closed(article, may_open=shelf.viewer.may("tenant_admin"))
    return shelf.show("article", article=article, kept=article.source == service.UPLOADED, is_closed=is_closed)


@router.get("/articles/{article_id}/edit")
async def edit_article_page(shelf: EditorShelf, article_id: UUID) -> Response:
    article = await _open_article(shelf, article_id)
    return shelf.show("article_form", article=article, typed=ArticleForm.of(article))


@router.post("/articles/{article_id}/edit")
async def change_article(
    editor: Editor, shelf: EditorShelf, article_id: UUID, *, _safe: SafeForm, typed: Annotated[ArticleForm, Form()]
) -> Response:
    article = await _open_article(shelf, article_id)
    try:
        data = ArticleChange.model_validate(typed.changes(article))
        async with shelf.session.begin_nested():
            await service.change_article(shelf.session, article_id, data, actor=editor.actor, may_open=True)
    except ValidationError as error:
        return shelf.show("article_form", article=article, typed=typed, error=invalid_input(error))
    except InvalidInputError as error:
        return shelf.show("article_form", article=article, typed=typed, error=error)
    return _to_article(article_id)


@router.post("/articles/{article_id}/remove")
async def delete_article(editor: Editor, session: TenantSession, article_id: UUID, _safe: SafeForm) -> Response:
    await service.remove_article(session, article_id, actor=editor.actor)
    return RedirectResponse("/knowledge/articles", status_code=303)


# -- solved tickets --------------------------------------------------------------------------------------------------


@router.get("/history")
@open_to_limited
async def history_page(shelf: Shelf, form: Annotated[ListForm, Query()]) -> Response:
    query = HistoryQuery(q=form.q.strip() or None, limit=PAGE_SIZE, cursor=form.cursor)
    return shelf.show("history", form=form, page=await service.list_history(shelf.session, query))


@router.get("/history/{solved_id}")
@open_to_limited
async def solved_ticket_page(shelf: Shelf, solved_id: UUID) -> Response:
    return shelf.show("solved_ticket", ticket=await service.get_solved_ticket(shelf.session, solved_id))


@router.post("/history/{solved_id}/remove")
async def remove_solved_ticket(editor: Editor, session: TenantSession, solved_id: UUID, _safe: SafeForm) -> Response:
    await service.remove_solved_ticket(session, solved_id, actor=editor.actor)
    return RedirectResponse("/knowledge/history", status_code=303)


async def _open_article(shelf: _Shelf, article_id: UUID) -> KnowledgeArticle:
    """An article that the viewer may read and change.

    Raises:
        ForbiddenError: It is for a few groups, and the viewer is no administrator.
    """
    article = await service.get_article(shelf.session, article_id)
    if service.is_closed(article, may_open=shelf.viewer.may("tenant_admin")):
        raise ForbiddenError(service.CLOSED)
    return article


def _to_article(article_id: UUID) -> Response:
    return RedirectResponse(f"/knowledge/articles/{article_id}", status_code=303)
