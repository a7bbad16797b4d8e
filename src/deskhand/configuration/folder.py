"""A folder of files: read with everything checked that needs no database, written in one form."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from errno import EFBIG
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from deskhand.agents.documents import AgentDocument, as_file
from deskhand.configuration.article_document import ArticleDocument, article_file
from deskhand.configuration.places import fault_at, refused
from deskhand.configuration.tenant_document import TenantDocument
from deskhand.configuration.tool_document import ToolDocument, document_text, tool_file
from deskhand.configuration.values import AnyFile, Folder, SourceFile, ToolFile
from deskhand.connectors.openapi.document import MAX_BYTES
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import fault_sentence
from deskhand.kit.yaml import MAX_CHARACTERS, UnreadableYamlError, read_yaml, write_yaml

SUFFIXES = (".yaml", ".yml")
MOST_FILES = 1_000
SECRET_BYTES = 10_000
_FILE_NAME_CHARACTERS = 60

Environment = Mapping[str, str]
KINDS: Mapping[str, type[AgentDocument | ToolDocument | ArticleDocument | TenantDocument]] = {
    "Agent": AgentDocument,
    "Tool": ToolDocument,
    "Article": ArticleDocument,
    "Tenant": TenantDocument,
}


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a folder and of those in it, in one order; hidden ones are somebody else's."""
    paths = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_folder(folder: Path) -> Folder:
    """Everything that the files of a folder say.

    Raises:
        InvalidInputError: There is none, or files are wrong; each fault is named with file, line and key.
    """
    paths = yaml_files(folder)
    if not paths:
        # With --prune an empty folder would delete every agent, and it is mostly a mistyped path.
        raise InvalidInputError(f"There is no .yaml file in {folder}.")
    if len(paths) > MOST_FILES:
        raise InvalidInputError(f"{folder} holds {len(paths)} files, and {MOST_FILES} are the most that are applied.")
    sources: list[AnyFile] = []
    faults: list[FieldProblem] = []
    for path in paths:
        try:
            sources.append(_read(path, path.relative_to(folder).as_posix()))
        except InvalidInputError as error:
            faults.extend(error.errors)
    faults.extend(_named_twice(sources))
    if faults:
        raise refused(faults)
    return Folder(
        agents=tuple(one for one in sources if isinstance(one.document, AgentDocument)),
        tools=tuple(one for one in sources if isinstance(one.document, ToolDocument)),
        articles=tuple(one for one in sources if isinstance(one.document, ArticleDocument)),
        tenants=tuple(one for one in sources if isinstance(one.document, TenantDocument)),
    )


def _read(path: Path, name: str) -> AnyFile:
    try:
        yaml = read_yaml(_bytes_of(path, 4 * MAX_CHARACTERS).decode("utf-8-sig"))
    except OSError as error:
        raise refused([FieldProblem(name, f"it cannot be read: {error.strerror or error}")]) from error
    except UnreadableYamlError as error:
        raise refused([FieldProblem(f"{name}, line {error.line}", str(error))]) from error
    except UnicodeDecodeError as error:
        raise refused([FieldProblem(name, f"it is not UTF-8 (byte {error.start + 1}); save it as UTF-8")]) from error
    kind = yaml.value.get("kind") if isinstance(yaml.value, dict) else None
    if isinstance(kind, str) and kind not in KINDS:
        sentence = f"there is no kind '{kind}'; {what_exists(kind, KINDS)}"
        raise refused([fault_at(name, yaml, ("kind",), sentence)])
    model = KINDS.get(str(kind), AgentDocument)
    try:
        document: Any = model.model_validate(yaml.value)
    except ValidationError as error:
        raise refused(
            fault_at(name, yaml, fault["loc"], fault_sentence(fault)) for fault in error.errors(include_url=False)
        ) from None
    return SourceFile(name=name, folder=path.parent, yaml=yaml, document=document)


def _named_twice(sources: Iterable[AnyFile]) -> Iterable[FieldProblem]:
    first: dict[tuple[str, str], str] = {}
    for source in sources:
        key, name = _key_of(source.document)
        kind = source.document.kind
        if (kind, name) in first:
            sentence = (
                f"'{name}' is the {kind.lower()} of {first[kind, name]} already; files know {kind.lower()}s by {key}"
            )
            yield fault_at(source.name, source.yaml, (key,), sentence)
        first.setdefault((kind, name), source.name)


def _key_of(document: AgentDocument | ToolDocument | ArticleDocument | TenantDocument) -> tuple[str, str]:
    if isinstance(document, AgentDocument):
        return "name", document.name
    if isinstance(document, ToolDocument):
        return "slug", document.slug
    if isinstance(document, ArticleDocument):
        return "article_id", document.article_id
    # A folder is about one tenant, which whoever applies it names.
    return "kind", document.kind


def secret_of(source: AnyFile, reference: SecretStr, place: Sequence[str | int], environment: Environment) -> SecretStr:
    """The secret that a file refers to.

    Args:
        source: The file.
        reference: As it is written there.
        place: Where.
        environment: Variables of the process.

    Raises:
        InvalidInputError: It is not there.
    """
    kind, _, name = reference.get_secret_value().partition(":")
    try:
        secret = environment[name] if kind == "env" else _secret_file(source.folder / name)
    except KeyError:
        sentence = f"the environment has no variable {name}; set it, or leave the secret out"
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
    else:
        if secret:
            return SecretStr(secret)
        sentence = f"{name} is empty"
    raise refused([fault_at(source.name, source.yaml, place, sentence)])


def beside(source: ToolFile, reference: str) -> str:
    """The text of the document that a tool's file refers to.

    Raises:
        InvalidInputError: It cannot be read.
    """
    name = reference.removeprefix("file:")
    try:
        return _bytes_of(source.folder / name, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise refused([fault_at(source.name, source.yaml, ("document",), sentence)]) from error


def _secret_file(path: Path) -> str:
    # A line break at the end is the editor's and not a part of the secret.
    return _bytes_of(path, SECRET_BYTES).decode().strip()


def _bytes_of(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        # One more than may be read tells a file that is too long, be it a device that never ends.
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(EFBIG, f"it is larger than {limit} bytes")
    return content


def files_of(contents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """File name to text, for agents as ``content_of`` says them.

    Raises:
        ConflictError: Two agents have one name, by which files would take them for one.
    """
    ordered = sorted(contents, key=lambda content: str(content["name"]))
    twice = sorted(name for name, count in Counter(content["name"] for content in ordered).items() if count > 1)
    if twice:
        raise ConflictError(f"Several agents are called '{twice[0]}', and files know agents by name: rename one first.")
    files: dict[str, str] = {}
    for content in ordered:
        files[_free(_slug(content["name"]), files.__contains__)] = write_yaml(as_file(content))
    return files


def tool_files(tools: Iterable[tuple[Mapping[str, Any], str | None]]) -> dict[str, str]:
    """File name to text, for tools as ``tool_content`` says them, each with its document if nothing else has it."""
    files: dict[str, str] = {}
    for content, document in tools:
        # No agent's file is called so: its name is made of letters, digits and hyphens alone.
        name = f"tool.{content['slug']}"
        beside_it = None if document is None else f"{name}.openapi.json"
        files[f"{name}.yaml"] = write_yaml(tool_file(content, document=beside_it))
        if beside_it is not None and document is not None:
            files[beside_it] = document_text(document)
    return files


def article_files(articles: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """File name to text, for articles as ``article_content`` says them, by their ids."""
    files: dict[str, str] = {}
    for article in articles:
        name = _free(f"article.{_slug(article['article_id'])}", files.__contains__)
        files[name] = write_yaml(article_file(article))
    return files


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_FILE_NAME_CHARACTERS].strip("-") or "agent"


def _free(slug: str, taken: Callable[[str], bool]) -> str:
    name, number = f"{slug}.yaml", 1
    while taken(name):
        number += 1
        name = f"{slug}-{number}.yaml"
    return name
