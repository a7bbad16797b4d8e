"""An article as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from deskhand.agents.documents import API_VERSION
from deskhand.kit.schema import InputModel
from deskhand.knowledge.articles import FROM_FILES
from deskhand.knowledge.schemas import TEXT_LIMIT, ArticleIn

KIND = "Article"
_NOT_BLANK = r"\S"


class ArticleDocument(InputModel):
    """An article in a file."""

    api_version: Literal["deskhand/v1"] = Field(alias="apiVersion", description="The format.")
    kind: Literal["Article"]
    article_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NOT_BLANK)] = Field(
        description="Files know an article by it, and notes cite it."
    )
    title: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_NOT_BLANK)]
    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://")] | None = Field(
        None, description="Where people read it."
    )
    tags: list[Annotated[str, StringConstraints(max_length=255)]] = Field(default_factory=list, max_length=1_000)
    body: Annotated[str, StringConstraints(min_length=1, max_length=TEXT_LIMIT, pattern=_NOT_BLANK)] = Field(
        description="Markdown."
    )

    @property
    def article(self) -> ArticleIn:
        """The article as an import would take it: blanks around a text are nobody's."""
        said = {name: getattr(self, name) for name in ("article_id", "title", "url", "tags", "body")}
        return ArticleIn.model_validate(
            {
                **{name: value for name, value in said.items() if value is not None},
                "source": FROM_FILES,
            }
        )


def article_file(article: ArticleIn) -> dict[str, Any]:
    """An article as it stands in a file: without what has nothing to say, its text last."""
    said: Mapping[str, Any] = article.model_dump()
    names = ("article_id", "title", "url", "tags", "body")
    return {"apiVersion": API_VERSION, "kind": KIND, **{name: said[name] for name in names if said[name]}}
