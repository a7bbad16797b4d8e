"""Articles as files say them. Those that an import brought are nobody's here until a file names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.versions import VersionChange, differences, prompt_diff
from deskhand.configuration.article_document import article_content
from deskhand.configuration.drift import Log
from deskhand.configuration.places import in_file
from deskhand.configuration.values import Action, ArticleFile, Drift, Step
from deskhand.errors import InvalidInputError
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.shelves import service
from deskhand.knowledge.shelves.schemas import ArticleChange, ArticleUpload


@dataclass(frozen=True, slots=True, kw_only=True)
class Articles:
    """The articles of one tenant and the files that say them.

    Attributes:
        session: A session of the tenant.
    """

    session: AsyncSession
    tenant_id: str
    actor: str

    async def apply(self, files: Sequence[ArticleFile], *, prune: bool) -> list[Step]:
        """Make articles what the files say; with ``prune`` those go that people keep and no file says."""
        steps = [await self._apply(file) for file in files]
        said = {file.document.article_id for file in files}
        # Who keeps no article in files has said nothing of articles.
        kept = await service.kept_articles(self.session) if said else ()
        return [*steps, *[await self._without_file(one, prune=prune) for one in kept if one.article_id not in said]]

    async def export(self) -> list[dict[str, Any]]:
        """The articles that people keep, by id, as ``article_content`` says them."""
        return [article_content(one) for one in await service.kept_articles(self.session)]

    async def _apply(self, file: ArticleFile) -> Step:
        wanted = file.document.content()
        stored = await service.find_article(self.session, wanted["article_id"])
        try:
            if stored is None:
                data = ArticleUpload.model_validate(wanted)
                added = await service.add_article(self.session, self.tenant_id, data, actor=self.actor)
                await self._note(added, file)
                return Step(action=Action.CREATE, name=_name(added), file=file.name)
            now, source = article_content(stored), stored.source
            taken_over = [VersionChange(pointer="/source", before=source, after=service.UPLOADED)]
            changes = differences({**now, "body": ""}, {**wanted, "body": ""}) + taken_over * (
                source != service.UPLOADED
            )
            if not changes and now == wanted:
                return Step(action=Action.UNCHANGED, name=_name(stored), file=file.name)
            drift = await self._drift(stored)
            change = ArticleChange.model_validate({name: wanted[name] for name in wanted if wanted[name] != now[name]})
            stored.source = service.UPLOADED
            # Who applies a tenant's files is its administrator.
            changed = await service.change_article(self.session, stored.id, change, actor=self.actor, may_open=True)
        except InvalidInputError as error:
            raise in_file(file, error) from error
        await self._note(changed, file)
        return Step(
            action=Action.CHANGE,
            name=_name(changed),
            file=file.name,
            changes=tuple(changes),
            prompt_diff=tuple(prompt_diff(now["body"].splitlines(), wanted["body"].splitlines(), ("now", file.name))),
            drift=tuple(drift),
        )

    async def _without_file(self, article: KnowledgeArticle, *, prune: bool) -> Step:
        if not prune:
            return Step(action=Action.LEFT, name=_name(article), note="no file says it; --prune deletes it")
        drift = await self._drift(article)
        await service.remove_article(self.session, article.id, actor=self.actor)
        return Step(action=Action.DELETE, name=_name(article), drift=tuple(drift))

    async def _drift(self, article: KnowledgeArticle) -> list[Drift]:
        return await Log(self.session, self.tenant_id, self.actor).drift(article.id, (), ("article.",))

    async def _note(self, article: KnowledgeArticle, file: ArticleFile) -> None:
        await Log(self.session, self.tenant_id, self.actor).note("knowledge", article.id, {"file": file.name})


def _changes(stored: KnowledgeArticle, wanted: dict[str, Any]) -> list[VersionChange]:
    """What differs but for the text, which is shown by lines; an imported article becomes one that people keep."""
    sides = [
        {**content, "body": "", "source": source}
        for content, source in ((article_content(stored), stored.source), (wanted, service.UPLOADED))
    ]
    return differences(*sides)


def _name(article: KnowledgeArticle) -> str:
    return f"article {article.article_id}"
