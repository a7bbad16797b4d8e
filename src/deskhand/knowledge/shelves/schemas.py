"""Shapes of articles, solved tickets and hits as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import NOT_BLANK, InputModel, StorableText
from deskhand.knowledge.audience import MOST_GROUPS, Audience
from deskhand.knowledge.schemas import TEXT_LIMIT

Words = Annotated[StorableText, Field(max_length=200)]
Title = Annotated[StorableText, Field(min_length=1, max_length=500, json_schema_extra=NOT_BLANK)]
Body = Annotated[StorableText, Field(min_length=1, max_length=TEXT_LIMIT, json_schema_extra=NOT_BLANK)]
Address = Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s\u0000]+$")]
Tags = Annotated[list[Annotated[StorableText, Field(min_length=1, max_length=100)]], Field(max_length=50)]
Groups = Annotated[list[Annotated[StorableText, Field(min_length=1, max_length=100)]], Field(max_length=MOST_GROUPS)]
Format = Literal["markdown", "html"]
_AUDIENCE = (
    "Whom it is for. `public`: whoever writes to the desk, so that answers to requesters may rest on it. `internal`:"
    " technicians alone; notes cite it. `restricted`: a few groups; nobody's search finds it."
)
_GROUPS = "Of a restricted one: who may read it at its source, for people to see."
_FORMAT = "How `body` is written; HTML becomes Markdown."
_ARTICLE: JsonDict = {
    "article_id": "KB-12",
    "title": "VPN drops after an update",
    "body": "# VPN drops after an update\n\nUpdate the client, then disable power management of the adapter.",
    "url": "https://wiki.example.com/KB-12",
    "tags": ["vpn"],
}


class ArticleQuery(BaseModel):
    """One page of the articles that match."""

    model_config = ConfigDict(extra="forbid")

    q: Words | None = Field(None, description="Words in id or title.")
    audience: Audience | None = Field(None, description="Only those for these people.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class ArticleUpload(InputModel):
    """An article to add."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ARTICLE, "format": "markdown"}]})

    article_id: Annotated[StorableText, Field(min_length=1, max_length=100, json_schema_extra=NOT_BLANK)] = Field(
        description="What your people call it; a second one of that name is refused."
    )
    title: Title
    body: Body
    format: Format = Field("markdown", description=_FORMAT)
    url: Address | None = None
    tags: Tags = Field(default_factory=list)
    audience: Audience = Field(Audience.INTERNAL, description=_AUDIENCE)
    audience_groups: Groups = Field(default_factory=list, description=_GROUPS)


class ArticleChange(InputModel):
    """Changes to an article. What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "VPN drops after any update"}]})

    title: Title | None = None
    body: Body | None = None
    format: Format = Field("markdown", description=_FORMAT)
    url: Address | None = None
    tags: Tags | None = None
    audience: Audience | None = Field(
        None, description=f"{_AUDIENCE} A restricted one is an administrator's to change."
    )
    audience_groups: Groups | None = Field(None, description=_GROUPS)


class ArticleSummary(BaseModel):
    """An article in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    article_id: str
    title: str
    url: str | None
    tags: list[str]
    source: str = Field(description="Where it came from: `import`, `upload`, or what the import said.")
    audience: Audience = Field(description="Whom it is for.")
    audience_groups: list[str] = Field(description="Of a restricted one: who may read it at its source.")
    audience_chosen: bool = Field(description="Somebody chose the audience here, and imports leave it.")
    updated_at: datetime


class ArticleView(ArticleSummary):
    """An article with its text."""

    body: str = Field(description="Markdown; empty of a restricted one for who is no administrator.")


class HistoryQuery(BaseModel):
    """One page of the solved tickets that match."""

    model_config = ConfigDict(extra="forbid")

    q: Words | None = Field(None, description="Words in number or subject.")
    tool_type: Annotated[StorableText, Field(max_length=50)] | None = Field(None, description="Only of this desk.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class SolvedTicketSummary(BaseModel):
    """A solved ticket in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tool_type: str
    ticket_id: str = Field(description="The number people know.")
    subject: str
    category: str | None
    priority: str | None
    url: str | None
    source: str = Field(description="`desk` or `import`; `synthetic` is invented.")
    resolved_date: datetime | None
    created_at: datetime


class SolvedTicketView(SolvedTicketSummary):
    """A solved ticket with its texts."""

    description: str
    resolution: str | None = Field(description="Null where nobody wrote how; `done` and its like are not kept.")
    tags: list[str]


class SearchQuery(BaseModel):
    """A search over what the tenant knows."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[StorableText, Field(min_length=1, max_length=2000)] = Field(
        description="Subject and description of a problem, or any words.", examples=["VPN drops, error 809"]
    )
    kind: Literal["all", "history", "articles"] = Field("all", description="Where to look.")
    limit: Annotated[int, Field(ge=1, le=20, description="Hits of each place.")] = 5


class Why(BaseModel):
    """Why a hit was found."""

    codes: list[str] = Field(description="Exact codes and names of the query that it has.")
    words: list[str] = Field(description="Words of the query that stand in it as they are.")
    closeness: float | None = Field(description="How near its meaning is, 0 to 1; null where there is no model for it.")
    useful: int = Field(
        description="Verdicts that a note citing it helped on a ticket like this; each lifts it a little."
    )
    useless: int = Field(description="Verdicts that such a note did not help; each lowers it a little.")


class Hit(BaseModel):
    """One hit of a search."""

    kind: Literal["history", "article"]
    ref: str = Field(description="Number of the ticket, or id of the article.")
    tool_type: str | None = Field(description="The ticket's desk; null for an article.")
    title: str
    excerpt: str = Field(description="The resolution, or the beginning of the text.")
    url: str | None
    source: str
    audience: Audience = Field(description="Whom it is for; a solved ticket is internal.")
    score: float = Field(description="0 to 1: how likely it is about the same.")
    why: Why


class SearchAnswer(BaseModel):
    """Hits of each place, best first."""

    items: list[Hit]
