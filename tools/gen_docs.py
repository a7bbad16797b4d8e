"""Write the reference pages that are read from the code: python tools/gen_docs.py [--check].

Settings from their class, errors from the two error trees, commands from the command line's own definition.
A test runs the same functions, so a page that no longer says what the code does fails it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
import typer
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import deskhand
from deskhand.agents.documents import AgentDocument
from deskhand.configuration.article_document import ArticleDocument
from deskhand.configuration.tenant_document import TenantDocument
from deskhand.configuration.tool_document import ToolDocument
from deskhand.errors import DeskhandError, RunInterrupted
from deskhand.kit.problem import TYPE_PREFIX, reason_phrase
from deskhand.kit.telemetry import Telemetry
from deskhand.llm.errors import ModelError
from deskhand.plugins.contract import (
    ALL_FILTERS,
    Inverse,
    LinkKind,
    NoteEffect,
    Operation,
    TicketChanges,
    TicketQuery,
    ValueKind,
)
from deskhand.plugins.errors import DeskError
from deskhand.plugins.registry import PluginManager
from deskhand.settings import Settings
from deskhand.tools.catalogue import BUILT_IN, providers
from deskhand.tools.desk import OPERATIONS
from deskhand.tools.values import Doubt, Kind, ToolOperation

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
HEADER = "<!-- Written by tools/gen_docs.py (`make docs`); edit the code it is read from. -->\n\n"
COMPUTED_DEFAULTS = {"data_dir": "the user's data directory, e.g. `~/.local/share/deskhand`"}
"""Defaults that a function gives, in words: the value itself belongs to the machine the page is written on."""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def first_paragraph(thing: object) -> str:
    """First paragraph of a docstring, on one line."""
    return " ".join((thing.__doc__ or "").strip().split("\n\n")[0].split())


# -- settings -----------------------------------------------------------------------------------------


def settings_page() -> str:
    """The reference of all settings."""
    rows = [
        [f"`DESKHAND_{name.upper()}`", _type_words(field), _default_words(name, field), field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    return (
        f"{HEADER}# Settings\n\nRead once, at the start of a process, from environment variables or from a file"
        " `deskhand.env` in the working directory (a variable wins over the file). No secret has a default.\n\n"
        + table(["variable", "type", "default", "meaning"], rows)
    )


def _type_words(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    known = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
        SecretStr: "secret",
        dict[str, list[str]]: "JSON object",
    }
    limits = [words for item in field.metadata for words in _limit_words(item)]
    return ", ".join([known[annotation], *limits])


def _limit_words(item: object) -> Iterator[str]:
    match item:
        case annotated_types.Ge(ge=limit):
            yield f"at least {limit}"
        case annotated_types.Gt(gt=limit):
            yield f"more than {limit}"
        case annotated_types.Le(le=limit):
            yield f"at most {limit}"


def _default_words(name: str, field: FieldInfo) -> str:
    if name in COMPUTED_DEFAULTS:
        return COMPUTED_DEFAULTS[name]
    if field.default is None or field.default is PydanticUndefined:
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


# -- errors -------------------------------------------------------------------------------------------


def errors_page() -> str:
    """The reference of every failure a caller or an operator can meet."""
    import_all_modules()
    rooms: list[tuple[str, str, type[DeskhandError]]] = [
        ("Endings of a run", ENDINGS, RunInterrupted),
        ("Answers of a desk", DESK_ANSWERS, DeskError),
        ("Answers of a model", MODEL_ANSWERS, ModelError),
    ]
    apart = {error for _, _, root in rooms for error in subclasses(root)}
    everyone = [error for error in subclasses(DeskhandError) if error not in apart]
    return (
        f"{HEADER}# Errors\n\n## Answers of the API\n\nEvery failure is an `application/problem+json` document"
        f" (RFC 9457) whose `type` is `{TYPE_PREFIX}` and the code below. `detail` says what is wrong this time and"
        " what to do about it; `errors` names each field at fault by JSON pointer; `Retry-After` comes with an answer"
        ' that time alone can mend. A run stores the same codes; one that is "tried again" goes back to the queue by'
        " itself.\n\n"
        + _error_table(everyone)
        + "".join(f"\n## {title}\n\n{words}\n\n{_error_table(subclasses(root))}" for title, words, root in rooms)
    )


ENDINGS = (
    "Why a run stopped although nothing it called had failed. They are stored with the run; no request is answered so."
)
DESK_ANSWERS = (
    "What a plugin makes of a desk's own errors, in one place. The status is for a request that waits for the desk;"
    " in a run the code is stored and the trace shows the desk's words."
)
MODEL_ANSWERS = "What the model or the way to it failed with, as a run stores it."


def _error_table(errors: list[type[DeskhandError]]) -> str:
    ordered = sorted(errors, key=lambda error: (error.status, error.code))
    rows = [
        [
            f"`{error.code}`",
            f"{error.status} {reason_phrase(error.status)}",
            error.title,
            "yes" if error.retryable else "no",
            first_paragraph(error),
        ]
        for error in ordered
    ]
    return table(["code", "status", "title", "tried again", "meaning"], rows)


def error_tree(root: type[DeskhandError], before: str = "", lead: str = "") -> list[str]:
    """The tree as it is drawn in the docstring of ``deskhand.errors``."""
    retried = ", retried" if root.retryable else ""
    lines = [f"{before}{lead}{root.__name__} ({root.status} {root.code}{retried})"]
    children = [child for child in root.__subclasses__() if child.__module__.startswith("deskhand.")]
    inner = before + {"": "", "├── ": "│   ", "└── ": "    "}[lead]
    for child in children:
        lines += error_tree(child, inner, "└── " if child is children[-1] else "├── ")
    return lines


def import_all_modules() -> None:
    """Import the whole package, so that every error class exists; not Alembic's entry, which would migrate."""
    for module in pkgutil.walk_packages(deskhand.__path__, "deskhand."):
        if not module.name.startswith("deskhand.migrations"):
            importlib.import_module(module.name)


def subclasses(root: type[T]) -> list[type[T]]:
    """A class and everything below it, without what tests define."""
    found = [root] if root.__module__.startswith("deskhand.") else []
    for child in root.__subclasses__():
        found += [one for one in subclasses(child) if one not in found]
    return found


# -- commands -----------------------------------------------------------------------------------------


def cli_page() -> str:
    """The reference of the command line."""
    app: typer.Typer = importlib.import_module("deskhand.cli").app
    sections = [_command_section(path, command) for path, command in _commands("deskhand", typer.main.get_command(app))]
    return f"{HEADER}# Commands\n\n`deskhand COMMAND --help` says the same in the terminal.\n\n" + "\n".join(sections)


def _commands(path: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperCommand):
        yield path, command
    if isinstance(command, TyperGroup):
        # Asked for by name, as a person would: the top group imports a command only then.
        context = typer.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _commands(f"{path} {name}", child)


def _command_section(path: str, command: TyperCommand) -> str:
    arguments = [one for one in command.params if isinstance(one, TyperArgument) and not one.hidden]
    options = [one for one in command.params if isinstance(one, TyperOption) and not one.hidden]
    usage = [one.display_name_raw.upper() if one.required else f"[{one.display_name_raw.upper()}]" for one in arguments]
    text = f"## {path}\n\n    {' '.join([path, *usage])}\n\n"
    if command.help:
        text += inspect.cleandoc(command.help).split("\f")[0].strip() + "\n\n"
    rows = [[f"`{name.display_name_raw.upper()}`", _default(name), name.help or ""] for name in arguments]
    rows += [[_names(option), _default(option), option.help or ""] for option in options]
    return text + (table(["parameter", "default", "meaning"], rows) if rows else "")


def _names(option: TyperOption) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(parameter: TyperArgument | TyperOption) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default is None or callable(parameter.default) else f"`{parameter.default}`"


def metrics_page() -> str:
    """The reference of all metric families of ours."""
    rows = [
        [f"`{family.name}`", family.type, family.documentation]
        for family in Telemetry(CollectorRegistry()).registry.collect()
    ]
    return (
        f"{HEADER}# Metrics\n\nEach process is scraped by itself, in Prometheus' text format or OpenMetrics: the API at"
        " `/metrics` of its own address, a worker at `/metrics` of `DESKHAND_WORKER_METRICS_PORT` (beside `/healthz`,"
        " which answers 503 while the worker is cut off from its database). A process also tells its own memory, CPU"
        " and open files (`process_...`). The API feeds what comes in, workers what runs; both count the queue, at each"
        " scrape. Counters end in `_total`.\n\n" + table(["family", "type", "meaning"], rows)
    )


# -- tools --------------------------------------------------------------------------------------------


def tools_page() -> str:
    """The reference of everything an agent may be granted."""
    desks = [one for one in providers(PluginManager()) if one.kind is Kind.DESK]
    rows = [
        [*_operation_cells(one), ", ".join(f"`{desk.tool_id}`" for desk in desks if desk.operation(one.name)) or "none"]
        for one in OPERATIONS
    ]
    head = ["operation", "what it does", "kind", "risk", "scopes", "a doubt is settled by", "cost"]
    doubts = {
        Doubt.REPEAT: "doing it again: twice is as once",
        Doubt.MARK: "asking the desk for the mark that the write carries",
        Doubt.PERSON: "a person; it is never done again silently",
    }
    others = "".join(
        f"## {tool.name}: `{tool.tool_id}`\n\n{table(head, [_operation_cells(one) for one in tool.operations])}\n"
        for tool in BUILT_IN
    )
    return (
        f"{HEADER}# Tools\n\nWhat an agent may be granted: `tool_ids` names tools, `tool_operations` what each may"
        ' do, as a list (`["get_ticket"]`: allowed, on the ticket that started the run) or as operation to mode and'
        ' scope (`{"get_ticket": {"mode": "allow", "scope": "any"}}`). `GET /api/v1/tools` lists the same with the JSON'
        " schemas of arguments and results, for the desks of the caller's tenant. What is not granted is not offered"
        " to a model, and refused if it asks for it.\n\n"
        "Modes: `allow`, or for what writes `approve`: a person approves each call first, with the role `approver`"
        " (`operator` unless said) and within `wait_minutes` (a day unless said); see"
        " [how](../howto/approve-writes.md).\n\n"
        "Scopes: `own` is the ticket that started the run, `listed` that one and tickets the run found by a granted"
        " search, `any` every ticket the connection shows. Where several desks offer an operation, a model knows it by"
        " the tool's name and its own, such as `jira_search_tickets`; mail is `email_send`.\n\n"
        f"## Desks\n\n{table([*head, 'desks'], rows)}\n{others}## Doubt\n\nIf a worker dies over an operation, it is"
        f" settled by:\n\n{table(['', 'how'], [[f'`{name.value}`', how] for name, how in doubts.items()])}"
    )


def _operation_cells(one: ToolOperation) -> list[str]:
    scopes = ", ".join(f"`{scope.value}`" for scope in one.scopes) or "no single ticket"
    doubt = f"`{one.doubt.value}`" if one.is_write else "`repeat`"
    risk = one.risk.value if one.is_write else "–"
    return [f"`{one.name}`", one.description, one.access.value, risk, scopes, doubt, one.cost]


# -- desks ----------------------------------------------------------------------------------------------


def desks_page() -> str:
    """The reference of which desk can do what."""
    manifests = [PluginManager().get_plugin(tool_type).manifest for tool_type in PluginManager().tool_types]
    names = [manifest.name for manifest in manifests]

    def matrix(head: str, attribute: str, members: Iterable[str]) -> str:
        rows = [
            [f"`{member}`", *("yes" if member in getattr(one, attribute) else "" for one in manifests)]
            for member in members
        ]
        return table([head, *names], rows)

    settable = [field.name for field in dataclasses.fields(TicketChanges) if field.name != "note"]
    filters = [field.name for field in dataclasses.fields(TicketQuery) if field.name in ALL_FILTERS]
    limits = "".join(
        f"- {manifest.name}, `{operation.value}`: {said}\n"
        for manifest in manifests
        for operation, said in sorted(manifest.limits.items())
    )
    told = table(["effect", *names], [[f"`{e}`", *(m.note_settings.get(e, "") for m in manifests)] for e in NoteEffect])
    return (
        f"{HEADER}# Desks\n\nWhat each built-in desk can do, from its plugin's manifest. What a desk cannot do is not"
        " offered to an agent and refused if asked for (`desk-unsupported`). A desk from outside says the same of"
        " itself: see [Add a desk](../howto/add-a-desk.md).\n\n"
        f"## Operations\n\n{matrix('operation', 'operations', Operation)}\n"
        f"{limits}\n"
        f"## Fields that `update_ticket` sets\n\n`custom` is every other field the desk allows, by name.\n\n"
        f"{matrix('field', 'settable', settable)}\n"
        f"## Filters of `search_tickets`\n\n{matrix('filter', 'filters', filters)}\n"
        f"## Lists of `list_values`\n\n{matrix('list', 'value_kinds', ValueKind)}\n"
        f"## Links between tickets of one desk\n\n{matrix('link', 'links', LinkKind)}\n"
        f"## Taking back\n\n{matrix('way', 'inverses', Inverse)}\n"
        f"## Where a desk's administrator changes what [a note](../howto/try-a-note-first.md) sets off\n\n{told}"
    )


# -- agents as files --------------------------------------------------------------------------------------


def agent_file_schema() -> str:
    """The JSON schema of a file of `deskhand apply`, for editors."""
    return _file_schema(AgentDocument)


def tool_file_schema() -> str:
    """The JSON schema of a tool's file."""
    return _file_schema(ToolDocument)


def article_file_schema() -> str:
    """The JSON schema of an article's file."""
    return _file_schema(ArticleDocument)


def tenant_file_schema() -> str:
    """The JSON schema of the file of a tenant's rules."""
    return _file_schema(TenantDocument)


def _file_schema(model: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "desks.md": desks_page,
    "tools.md": tools_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "cli.md": cli_page,
    "metrics.md": metrics_page,
    "agent-file.schema.json": agent_file_schema,
    "tool-file.schema.json": tool_file_schema,
    "article-file.schema.json": article_file_schema,
    "tenant-file.schema.json": tenant_file_schema,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, page in PAGES.items():
        path = ROOT / "docs" / "reference" / name
        text = page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
            print(f"written: docs/reference/{name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
