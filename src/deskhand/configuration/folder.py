"""A folder of files: read with everything checked that needs no database, written in one form."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from errno import EFBIG
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from deskhand.agents.documents import AgentDocument, as_file
from deskhand.configuration.places import fault_at, refused
from deskhand.configuration.values import SourceFile
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.pointer import fault_sentence
from deskhand.kit.yaml import MAX_CHARACTERS, UnreadableYamlError, read_yaml, write_yaml

SUFFIXES = (".yaml", ".yml")
MOST_FILES = 1_000
SECRET_BYTES = 10_000
_FILE_NAME_CHARACTERS = 60

Environment = Mapping[str, str]


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a folder and of those in it, in one order; hidden ones are somebody else's."""
    paths = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_folder(folder: Path) -> list[SourceFile]:
    """Every agent of a folder.

    Raises:
        InvalidInputError: There is none, or files are wrong; each fault is named with file, line and key.
    """
    paths = yaml_files(folder)
    if not paths:
        # With --prune an empty folder would delete every agent, and it is mostly a mistyped path.
        raise InvalidInputError(f"There is no .yaml file in {folder}.")
    if len(paths) > MOST_FILES:
        raise InvalidInputError(f"{folder} holds {len(paths)} files, and {MOST_FILES} are the most that are applied.")
    sources: list[SourceFile] = []
    faults: list[FieldProblem] = []
    for path in paths:
        try:
            sources.append(_read(path, path.relative_to(folder).as_posix()))
        except InvalidInputError as error:
            faults.extend(error.errors)
    faults.extend(_named_twice(sources))
    if faults:
        raise refused(faults)
    return sources


def _read(path: Path, name: str) -> SourceFile:
    try:
        yaml = read_yaml(_bytes_of(path, 4 * MAX_CHARACTERS).decode("utf-8-sig"))
    except OSError as error:
        raise refused([FieldProblem(name, f"it cannot be read: {error.strerror or error}")]) from error
    except UnreadableYamlError as error:
        raise refused([FieldProblem(f"{name}, line {error.line}", str(error))]) from error
    except UnicodeDecodeError as error:
        raise refused([FieldProblem(name, f"it is not UTF-8 (byte {error.start + 1}); save it as UTF-8")]) from error
    try:
        document = AgentDocument.model_validate(yaml.value)
    except ValidationError as error:
        raise refused(
            fault_at(name, yaml, fault["loc"], fault_sentence(fault)) for fault in error.errors(include_url=False)
        ) from None
    return SourceFile(name=name, folder=path.parent, yaml=yaml, document=document)


def _named_twice(sources: Iterable[SourceFile]) -> Iterable[FieldProblem]:
    first: dict[str, str] = {}
    for source in sources:
        name = source.document.name
        if name in first:
            sentence = f"'{name}' is the agent of {first[name]} already; files know agents by name"
            yield fault_at(source.name, source.yaml, ("name",), sentence)
        first.setdefault(name, source.name)


def secret_of(source: SourceFile, index: int, environment: Environment) -> SecretStr | None:
    """The secret that a trigger of a file refers to.

    Args:
        source: The file.
        index: Which trigger.
        environment: Variables of the process.

    Raises:
        InvalidInputError: It is not there.
    """
    reference = source.document.triggers[index].hmac_secret
    if reference is None:
        return None
    kind, _, name = reference.get_secret_value().partition(":")
    try:
        secret = environment[name] if kind == "env" else _secret_file(source.folder / name)
    except KeyError:
        sentence = f"the environment has no variable {name}; set it, or leave hmac_secret out"
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
    else:
        if secret:
            return SecretStr(secret)
        sentence = f"{name} is empty"
    raise refused([fault_at(source.name, source.yaml, ("triggers", index, "hmac_secret"), sentence)])


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


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_FILE_NAME_CHARACTERS].strip("-") or "agent"


def _free(slug: str, taken: Callable[[str], bool]) -> str:
    name, number = f"{slug}.yaml", 1
    while taken(name):
        number += 1
        name = f"{slug}-{number}.yaml"
    return name
