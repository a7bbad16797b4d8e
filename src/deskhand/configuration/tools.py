"""Tools of a tenant's own as files say them: added, changed, pruned and written down, through the API's services."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.versions import VersionChange, differences
from deskhand.configuration.drift import Log
from deskhand.configuration.folder import Environment, beside, secret_of, tool_files
from deskhand.configuration.places import fault_at, in_file, refused
from deskhand.configuration.tool_document import REACHED_BY, tool_content
from deskhand.configuration.values import Action, Step, ToolFile
from deskhand.connectors import documents, servers, service
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.openapi.document import DocumentError, read_document
from deskhand.connectors.schemas import CredentialInput, McpSource, OpenApiSource, SourceChange
from deskhand.connectors.values import Described
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.pointer import fault_sentence

Model = TypeVar("Model", bound=BaseModel)
_STORED, _ANOTHER = "(stored)", "(another)"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a file asks of a stored tool.

    Attributes:
        is_another: It is another program; what is stored of the one before was not meant for it.
        credential: If it is to have another one.
        text: The document, if it is to have another one.
    """

    changes: list[VersionChange]
    is_another: bool
    credential: CredentialInput | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The tools of one tenant and the files that say them.

    Attributes:
        session: A session of the tenant.
        http: Reads the addresses of documents, past the outbound guard.
        described: By tool, what MCP servers that are to be added said of themselves before the transaction began.
    """

    session: AsyncSession
    tenant_id: str
    actor: str
    secrets: SecretBox
    environment: Environment
    http: HttpClientFactory
    described: Mapping[str, Described] = field(default_factory=dict)

    async def apply(self, files: Sequence[ToolFile]) -> list[Step]:
        """Add and change what the files say."""
        return [await self._apply(file) for file in files]

    async def without_file(self, files: Sequence[ToolFile], *, prune: bool) -> list[Step]:
        """What becomes of tools that no file says; nothing where the folder says no tool at all."""
        said = {file.document.slug for file in files}
        others = [one for one in await service.list_sources(self.session) if said and one.slug not in said]
        if not prune:
            note = "no file says it; --prune deletes it"
            return [Step(action=Action.LEFT, name=one.tool_id, note=note) for one in others]
        return [await self._remove(one) for one in others]

    async def unread(self, files: Sequence[ToolFile]) -> list[tuple[ToolFile, McpSource]]:
        """The MCP servers among the files that are to be asked what they can do, because applying adds them."""
        wanted = []
        for file in files:
            if file.document.type is not SourceKind.MCP:
                continue
            stored = await self._stored(file.document.slug)
            if stored is None or (await self._wanted(file, stored)).is_another:
                wanted.append((file, self._mcp(file)))
        return wanted

    async def export(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The files of every tool, and which of them lack a credential that the tool has."""
        contents: list[tuple[dict[str, Any], str | None]] = []
        lacking = []
        for source in await service.list_sources(self.session):
            # What was not read from an address is nowhere else than here.
            own = source.kind == SourceKind.OPENAPI and not source.configuration.get("url")
            contents.append((tool_content(source), await self._document(source) if own else None))
            if source.credential_encrypted is not None:
                lacking.append(f"tool.{source.slug}.yaml")
        return tool_files(contents), tuple(lacking)

    async def _apply(self, file: ToolFile) -> Step:
        stored = await self._stored(file.document.slug)
        if stored is None:
            await self._add(file)
            return Step(action=Action.CREATE, name=file.document.tool_id, file=file.name)
        wanted = await self._wanted(file, stored)
        if not wanted.changes:
            return Step(action=Action.UNCHANGED, name=stored.tool_id, file=file.name)
        drift = await self._log.drift(stored.tool_id, (), ("tool_source.",))
        if wanted.is_another:
            # A credential and what somebody said of operations were meant for where it was, and go nowhere else.
            await service.remove_source(self.session, stored.slug, actor=self.actor)
            await self._add(file)
        else:
            await self._change(file, stored, wanted)
        return Step(
            action=Action.CHANGE,
            name=file.document.tool_id,
            file=file.name,
            changes=tuple(wanted.changes),
            drift=tuple(drift),
        )

    async def _wanted(self, file: ToolFile, stored: ToolSource) -> _Wanted:
        kept, reference = await self._document(stored), file.document.document
        text = None if reference is None else _as_kept(file, beside(file, reference))
        described = json.loads(text or kept or "null")
        content, now = file.document.content(described=described), tool_content(stored)
        changes = differences(now, content)
        is_another = any(now[name] != content[name] for name in REACHED_BY)
        credential = self._credential(file)
        if credential is None:
            lost = is_another and stored.credential_encrypted is not None
            changes += [VersionChange(pointer="/credential", before=_STORED, after=None)] * lost
        elif credential.credential() == service.connection_of(stored, self.secrets).credential:
            credential = None
        else:
            changes.append(VersionChange(pointer="/credential", before=_STORED, after=_ANOTHER))
        if text == kept:
            text = None
        elif text is not None:
            changes.append(VersionChange(pointer="/document", before=_STORED, after=_ANOTHER))
        return _Wanted(changes, is_another, credential, text)

    async def _add(self, file: ToolFile) -> None:
        tool_id = file.document.tool_id
        try:
            if file.document.type is SourceKind.OPENAPI:
                data = self._openapi(file)
                await documents.create_source(
                    self.session, self.tenant_id, data, http=self.http, secrets=self.secrets, actor=self.actor
                )
            elif described := self.described.get(tool_id):
                await servers.make_source(
                    self.session,
                    self._mcp(file),
                    described,
                    tenant_id=self.tenant_id,
                    secrets=self.secrets,
                    actor=self.actor,
                )
            else:
                raise ConflictError("Somebody changed tools meanwhile, so nothing was changed. Apply again.")
        except InvalidInputError as error:
            raise in_file(file, error) from error
        await self._log.note("tool_source", tool_id, {"file": file.name})

    async def _change(self, file: ToolFile, stored: ToolSource, wanted: _Wanted) -> None:
        slug, actor = stored.slug, self.actor
        try:
            if wanted.text is not None:
                await documents.renew_document(self.session, slug, wanted.text, http=self.http, actor=actor)
            operations = file.document.choices(service.operations_of(stored))
            data = SourceChange(name=file.document.name, credential=wanted.credential, operations=operations)
            await service.change_source(self.session, slug, data, secrets=self.secrets, actor=actor)
        except InvalidInputError as error:
            raise in_file(file, error) from error
        await self._log.note("tool_source", stored.tool_id, {"file": file.name})

    async def _remove(self, source: ToolSource) -> Step:
        drift = await self._log.drift(source.tool_id, (), ("tool_source.",))
        await service.remove_source(self.session, source.slug, actor=self.actor)
        return Step(action=Action.DELETE, name=source.tool_id, drift=tuple(drift))

    async def _stored(self, slug: str) -> ToolSource | None:
        try:
            return await service.get_source(self.session, slug)
        except NotFoundError:
            return None

    async def _document(self, source: ToolSource) -> str | None:
        # Megabytes, which no other statement reads along.
        await self.session.refresh(source, ["document"])
        return source.document

    def _credential(self, file: ToolFile) -> CredentialInput | None:
        said = file.document.credential
        if said is None:
            return None
        secret = secret_of(file, said.secret, ("credential", "secret"), self.environment)
        return _checked(CredentialInput, {**said.model_dump(), "secret": secret}, file, at=("credential",))

    def _openapi(self, file: ToolFile) -> OpenApiSource:
        one = file.document
        fields = {name: getattr(one, name) for name in ("slug", "name", "url", "server", "idempotency_header")}
        said = {"credential": self._credential(file), "operations": one.choices(())}
        text = None if one.document is None else beside(file, one.document)
        return _checked(OpenApiSource, {**fields, **said, "document": text}, file)

    def _mcp(self, file: ToolFile) -> McpSource:
        fields = {name: getattr(file.document, name) for name in ("slug", "name", "url", "command")}
        said = {"credential": self._credential(file), "operations": file.document.choices(())}
        return _checked(McpSource, {**fields, **said}, file)

    @property
    def _log(self) -> Log:
        return Log(self.session, self.tenant_id, self.actor)


def _as_kept(file: ToolFile, text: str) -> str:
    try:
        return json.dumps(read_document(text), ensure_ascii=False)
    except DocumentError as error:
        raise refused([fault_at(file.name, file.yaml, ("document",), str(error))]) from error


def _checked(model: type[Model], value: Mapping[str, Any], file: ToolFile, *, at: Iterable[str] = ()) -> Model:
    """What a file says as the API takes it.

    Raises:
        InvalidInputError: The API would refuse it; names the file, the line and the key.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refused(
            fault_at(file.name, file.yaml, (*at, *fault["loc"]), fault_sentence(fault))
            for fault in error.errors(include_url=False, include_input=False)
        ) from None
