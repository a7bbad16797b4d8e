"""What the tenant's knowledge offers an agent: solved tickets, articles, systems, each with an id that can be cited."""

from __future__ import annotations

from typing import Any

from deskhand.plugins.contract import Access
from deskhand.tools.desk import obj, text
from deskhand.tools.values import Kind, Provider, Schema, ToolOperation

_QUERY = text(1_500, "The problem in a few words, or the whole text of a ticket.")
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 20}


def _found(name: str, **members: Any) -> Schema:
    item = {
        "type": "object",
        "properties": {"source": {"type": "string", "description": "Cite it by this id."}, **members},
    }
    return {"type": "object", "properties": {name: {"type": "array", "items": item}}}


def _text() -> dict[str, Any]:
    return {"type": ["string", "null"]}


def _read(name: str, description: str, arguments: Schema, result: Schema) -> ToolOperation:
    return ToolOperation(
        name=name,
        description=description,
        arguments=arguments,
        result=result,
        access=Access.READ,
        cost="a search in the database",
    )


KNOWLEDGE = Provider(
    "knowledge",
    "Knowledge",
    Kind.KNOWLEDGE,
    (
        _read(
            "search_past_tickets",
            "Find solved tickets about the same problem, with what solved them.",
            obj({"query": _QUERY, "limit": _LIMIT}, required=("query",)),
            _found("tickets", subject=_text(), problem=_text(), resolution=_text(), category=_text(), url=_text()),
        ),
        _read(
            "search_articles",
            "Find articles of the knowledge base.",
            obj({"query": _QUERY, "limit": _LIMIT}, required=("query",)),
            _found("articles", title=_text(), beginning=_text(), url=_text()),
        ),
        _read(
            "read_article",
            "Read one article whole, by the source id that a search gave it.",
            obj({"source": text(200)}, required=("source",)),
            _found("articles", title=_text(), body=_text(), url=_text()),
        ),
        _read(
            "find_systems",
            "Recognise the systems that a text names: host names, addresses, what people call them.",
            obj({"text": _QUERY}, required=("text",)),
            _found("systems", hostname=_text(), role=_text(), location=_text(), named=_text()),
        ),
    ),
)
