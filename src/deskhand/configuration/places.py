"""Faults as sentences about a file: which one, which line, which key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deskhand.agents.documents import AgentDocument
from deskhand.configuration.values import AnyFile
from deskhand.errors import DeskhandError, FieldProblem, InvalidInputError
from deskhand.kit.yaml import Place, YamlDocument

HEADING = "The files cannot be applied; nothing was changed."


def fault_at(name: str, yaml: YamlDocument, place: Sequence[object], sentence: str) -> FieldProblem:
    """A fault of a file, in one sentence.

    Args:
        name: The file.
        yaml: Knows its lines.
        place: Keys that lead to what is wrong; what Pydantic adds beyond the file's own keys is left out.
        sentence: What is wrong.
    """
    written: Place = ()
    for part in place:
        longer = (*written, part if isinstance(part, int) else str(part))
        # The last key of a fault may be one that is missing, which is what the fault is about.
        if longer not in yaml.lines and part is not place[-1]:
            break
        written = longer
    key = ".".join(map(str, written)) or "the file"
    return FieldProblem(f"{name}, line {yaml.line_of(written)}", f"{key}: {sentence}")


def refused(faults: Iterable[FieldProblem]) -> InvalidInputError:
    """All faults of a folder at once."""
    return InvalidInputError(HEADING, errors=list(faults))


def in_file(source: AnyFile, error: DeskhandError, *, place: Place = ()) -> InvalidInputError:
    """What a service refused, said of the file that asked for it.

    Args:
        source: The file.
        error: The refusal; its pointers are the API's.
        place: Where it stands if the refusal does not say.
    """
    if not error.errors:
        return refused([fault_at(source.name, source.yaml, place, error.detail)])
    return refused(
        fault_at(source.name, source.yaml, _place(source.document, fault.pointer), fault.detail)
        for fault in error.errors
    )


def _place(document: object, pointer: str) -> Place:
    """Where a fault of the API stands in a file; an agent's keeps tools and their grants under one key."""
    parts: list[str | int] = [
        int(part) if part.isdecimal() and len(part) < 4 else part.replace("~1", "/").replace("~0", "~")
        for part in pointer.split("/")[1:]
    ]
    if isinstance(document, AgentDocument) and parts[:1] == ["tool_ids"]:
        named = [list(document.tools)[part] for part in parts[1:] if isinstance(part, int)]
        return ("tools", *named)
    return ("tools", *parts[1:]) if parts[:1] == ["tool_operations"] else tuple(parts)
