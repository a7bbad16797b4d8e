"""Agents to begin from: files of the package, in the format that ``deskhand apply`` reads.

They name ServiceDesk Plus; whoever begins from one gets it for the desk of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from deskhand.agents.documents import AgentDocument
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.nearest import what_exists
from deskhand.kit.yaml import read_yaml
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import AUTO
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import find_provider
from deskhand.tools.values import Kind

WRITTEN_FOR = "servicedesk_plus"
_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Template:
    """One agent to begin from.

    Attributes:
        slug: What addresses and commands call it.
        text: The file.
        document: What it says.
    """

    slug: str
    text: str
    document: AgentDocument


@cache
def templates() -> Mapping[str, Template]:
    """Every template, by its slug."""
    folder = files(__package__)
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(_SUFFIX))
    return {name.removesuffix(_SUFFIX): _read(name) for name in names}


def find_template(slug: str) -> Template:
    """The template of that name.

    Raises:
        NotFoundError: There is none.
    """
    template = templates().get(slug)
    if template is None:
        raise NotFoundError(f"There is no template '{slug}'; {what_exists(slug, templates())}.")
    return template


def agent_from(template: Template, *, desk: str, plugins: PluginManager) -> dict[str, Any]:
    """The body of ``POST /api/v1/agents`` that makes the template's agent, as a draft, for a desk.

    Args:
        template: What to begin from.
        desk: The desk that takes the place of the one it was written for.
        plugins: Knows which desk can do what.

    Raises:
        PluginNotFoundError: There is no such desk.
        NotFoundError: The tool is no desk.
        ConflictError: The desk cannot do what the template needs.
    """
    provider = find_provider(desk, plugins)
    if provider.kind is not Kind.DESK:
        raise NotFoundError(f"'{desk}' is no desk.")
    content = template.document.content()
    tools = {desk if name == WRITTEN_FOR else name: grants for name, grants in content.pop("tools").items()}
    missing = [name for name in tools[desk] if provider.operation(name) is None]
    if missing:
        raise ConflictError(f"The template '{template.slug}' needs {', '.join(missing)}, and '{desk}' cannot.")
    return {**content, "status": "draft", "tool_ids": sorted(tools), "tool_operations": tools}


def model_at_hand(gateway: GatewaySettings) -> dict[str, Any]:
    """The model of a template's agent where this machine's own is the only one there is; nothing where it is not.

    The templates name a vendor's model, and without a gateway the first agent of an installation would stand there with
    one that nobody serves.
    """
    if gateway.base_url or gateway.embedded is None or importlib.util.find_spec("litellm") is not None:
        return {}
    return {"llm_config": {"provider": "embedded", "model": AUTO}}


def _read(name: str) -> Template:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return Template(name.removesuffix(_SUFFIX), text, AgentDocument.model_validate(read_yaml(text).value))
