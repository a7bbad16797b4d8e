"""Articles as files say them. Those that came otherwise, by an import, are nobody's here until a file names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.versions import differences, prompt_diff
from deskhand.audit import service as audit
from deskhand.configuration.article_document import article_file
from deskhand.configuration.values import Action, ArticleFile, Step
from deskhand.knowledge.articles import (
    Vectors,
    delete_articles,
    find_article,
    list_articles,
    store_article,
)
from deskhand.knowledge.schemas import ArticleIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Articles:
    """The articles of one tenant and the files that say them.

    Attributes:
        session: A session of the tenant.
        vectors: Of the articles that are to be stored; made before the transaction began.
    """

    session: AsyncSession
    tenant_id: str
    actor: str
    vectors: Vectors

    async def apply(self, files: Sequence[ArticleFile], *, prune: bool) -> list[Step]:
        """Make articles what the files say; those of other files go with ``prune``."""
        steps = [await self._apply(file) for file in files]
        said = {file.document.article.article_id for file in files}
        # Who keeps no article in files has said nothing of articles.
        others = [one for one in await list_articles(self.session) if said and one.article_id not in said]
        if not prune:
            note = "no file says it; --prune deletes it"
            return [*steps, *(Step(action=Action.LEFT, name=_name(one), note=note) for one in others)]
        await delete_articles(self.session, [one.article_id for one in others])
        for one in others:
            await self._record("article.delete", one, before=one)
        return [*steps, *(Step(action=Action.DELETE, name=_name(one)) for one in others)]

    async def export(self) -> list[ArticleIn]:
        """The articles that files say, by id."""
        return await list_articles(self.session)

    async def _apply(self, file: ArticleFile) -> Step:
        article = file.document.article
        stored = await find_article(self.session, article.article_id)
        if stored is None:
            await store_article(self.session, self.tenant_id, article, self.vectors)
            await self._record("article.create", article, after=article, file=file.name)
            return Step(action=Action.CREATE, name=_name(article), file=file.name)
        if stored == article:
            return Step(action=Action.UNCHANGED, name=_name(article), file=file.name)
        await store_article(self.session, self.tenant_id, article, self.vectors)
        await self._record("article.update", article, before=stored, after=article, file=file.name)
        now, wanted = (one.model_dump(exclude={"body"}) for one in (stored, article))
        return Step(
            action=Action.CHANGE,
            name=_name(article),
            file=file.name,
            changes=tuple(differences(now, wanted)),
            prompt_diff=tuple(prompt_diff(stored.body.splitlines(), article.body.splitlines(), ("now", file.name))),
        )

    async def _record(
        self,
        operation: str,
        article: ArticleIn,
        *,
        before: ArticleIn | None = None,
        after: ArticleIn | None = None,
        file: str = "",
    ) -> None:
        await audit.record(
            self.session,
            tenant_id=self.tenant_id,
            actor=self.actor,
            operation=operation,
            resource_type="article",
            resource_id=article.article_id,
            before=None if before is None else article_file(before),
            after=None if after is None else article_file(after),
            details={"file": file} if file else {},
        )


def _name(article: ArticleIn) -> str:
    return f"article {article.article_id}"
