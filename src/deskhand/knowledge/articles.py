"""Articles that somebody keeps as files, told from imported ones by their source. Runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.knowledge import repository
from deskhand.knowledge.embedding import Embedder, article_text, embed_texts, load_embedder
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.schemas import ArticleIn

FROM_FILES = "file"
"""The source of an article that files say; an import that brings one of its id makes it its own."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """What articles are found by beside their words, by id.

    Attributes:
        model: Who made them; None if nobody did.
    """

    model: str | None = None
    by_id: Mapping[str, list[float] | None] = field(default_factory=dict)


async def list_articles(session: AsyncSession, *, source: str = FROM_FILES) -> list[ArticleIn]:
    """The tenant's articles of one source, by id."""
    return [_as_sent(row) for row in await repository.articles_of(session, source)]


async def find_article(session: AsyncSession, article_id: str) -> ArticleIn | None:
    """The article of that id, whatever its source."""
    row = await repository.article(session, article_id)
    return None if row is None else _as_sent(row)


async def make_vectors(articles: Sequence[ArticleIn], embedder: Embedder | None = None) -> Vectors:
    """Vectors of articles; takes a second or more, so no transaction should be open meanwhile.

    Args:
        articles: To be stored.
        embedder: None for the installation's own.
    """
    if not articles:
        return Vectors()
    maker = embedder or load_embedder()
    made = await embed_texts(maker, [article_text(one.title, one.body) for one in articles])
    return Vectors(maker.name, dict(zip([one.article_id for one in articles], made, strict=True)))


async def store_article(session: AsyncSession, tenant_id: str, article: ArticleIn, vectors: Vectors) -> None:
    """Insert an article, or put it in the place of the one that has its id."""
    vector = {"embedding": vectors.by_id.get(article.article_id), "embedding_model": vectors.model}
    await repository.put_article(session, {"tenant_id": tenant_id, **article.model_dump(), **vector})


async def delete_articles(session: AsyncSession, article_ids: Collection[str]) -> None:
    """Delete articles by id."""
    await repository.delete_articles(session, article_ids)


def _as_sent(row: KnowledgeArticle) -> ArticleIn:
    # An address that is not there is left out: the type of an import's fields takes no null.
    said = {name: getattr(row, name) for name in ArticleIn.model_fields}
    return ArticleIn.model_validate({name: value for name, value in said.items() if value is not None})
