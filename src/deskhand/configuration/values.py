"""What a plan of changes is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from deskhand.agents.documents import AgentDocument
from deskhand.agents.versions import VersionChange
from deskhand.configuration.article_document import ArticleDocument
from deskhand.configuration.tenant_document import TenantDocument
from deskhand.configuration.tool_document import ToolDocument
from deskhand.kit.yaml import YamlDocument

Document = TypeVar("Document", AgentDocument, ToolDocument, ArticleDocument, TenantDocument)


class Action(StrEnum):
    """What becomes of one agent, tool or article."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile(Generic[Document]):
    """One file of a folder.

    Attributes:
        name: Path inside the folder, for sentences.
        folder: Where a reference of it, `file:PATH`, begins.
        yaml: Knows the lines.
    """

    name: str
    folder: Path
    yaml: YamlDocument
    document: Document


AgentFile = SourceFile[AgentDocument]
ToolFile = SourceFile[ToolDocument]
ArticleFile = SourceFile[ArticleDocument]
TenantFile = SourceFile[TenantDocument]
AnyFile = AgentFile | ToolFile | ArticleFile | TenantFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Everything that the files of a folder say."""

    agents: tuple[AgentFile, ...] = ()
    tools: tuple[ToolFile, ...] = ()
    articles: tuple[ArticleFile, ...] = ()
    tenants: tuple[TenantFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One change that was made past the files since they were applied last."""

    actor: str
    at: datetime
    operation: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a plan does with one agent, tool or article.

    Attributes:
        changes: Field by field; the prompt is in ``prompt_diff``.
        drift: Who changed it past the files, newest first.
        note: A sentence about what is left as it is.
    """

    action: Action
    name: str
    file: str | None = None
    changes: tuple[VersionChange, ...] = ()
    prompt_diff: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A webhook secret that applying made, at the only time it is shown."""

    agent: str
    webhook_url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What applying does, or did."""

    steps: tuple[Step, ...]
    secrets: tuple[NewSecret, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether applying changes nothing."""
        return all(step.action in (Action.UNCHANGED, Action.LEFT) for step in self.steps)

    def digest(self) -> Any:
        """What two plans have in common that do the same: by it, what was shown is what is done."""
        return [(step.action, step.name, step.changes, step.prompt_diff, step.drift) for step in self.steps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a folder is to hold.

    Attributes:
        files: File name to text.
        without_credential: Files of tools that have a credential, which no file says.
    """

    files: dict[str, str]
    without_credential: tuple[str, ...] = ()
