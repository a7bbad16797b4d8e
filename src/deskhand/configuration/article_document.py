"""An article as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from deskhand.agents.documents import API_VERSION
from deskhand.kit.schema import NOT_BLANK, InputModel, StorableText
from deskhand.knowledge.audience import Audience
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.shelves.schemas import Address, Body, Groups, Tags, Title

KIND = "Article"
FIELDS = ("article_id", "title", "url", "tags", "audience", "audience_groups", "body")
"""In the order of a file, the text last."""


class ArticleDocument(InputModel):
    """An article in a file."""

    api_version: Literal["deskhand/v1"] = Field(alias="apiVersion", description="The format.")
    kind: Literal["Article"]
    article_id: Annotated[StorableText, Field(min_length=1, max_length=100, json_schema_extra=NOT_BLANK)] = Field(
        description="Files know an article by it."
    )
    title: Title
    url: Address | None = Field(None, description="Where people read it.")
    tags: Tags = Field(default_factory=list)
    audience: Audience = Field(Audience.INTERNAL, description="Whom it is for.")
    audience_groups: Groups = Field(default_factory=list, description="Of a restricted one: who may read it.")
    body: Body = Field(description="Markdown.")

    def content(self) -> dict[str, Any]:
        """What it says, in the form in which ``article_content`` says it of a stored one."""
        return {**{name: getattr(self, name) for name in FIELDS}, "audience": self.audience.value}


def article_content(article: KnowledgeArticle) -> dict[str, Any]:
    """What a file would say of a stored article."""
    return {name: getattr(article, name) for name in FIELDS}


def article_file(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it stands in a file: without what has nothing to say."""
    silent = {"audience": Audience.INTERNAL.value}
    said = {name: content[name] for name in FIELDS if content[name] and content[name] != silent.get(name)}
    return {"apiVersion": API_VERSION, "kind": KIND, **said}
