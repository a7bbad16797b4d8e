"""One ticket of an export as our fields, whichever desk or spreadsheet it comes from (pure)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.knowledge.exports.columns import OWN_NUMBERS, TICKET_VOCABULARY, Vocabulary, plain_name
from deskhand.knowledge.exports.dates import DateOrder, read_date
from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.text import html_to_markdown

_OF_COMPANY = ("company_id", "company_name")
_TEXTS = ("subject", "description", "resolution")
_ENVELOPES = ("display_value", "content", "displayName", "name", "value", "title")
_BLOCKS = "p|br|div|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|pre|blockquote|hr|html|body"
_BLOCK = re.compile(rf"</?(?:{_BLOCKS})(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)
_ELEMENT = re.compile(
    rf"</?(?:{_BLOCKS}|span|b|i|u|strong|em|a|code|font|img|s|del|sup|sub)(?:\s[^<>]{{0,2000}})?/?>", re.IGNORECASE
)
_ESCAPED = re.compile(rf"&(?:amp;)?lt;/?(?:{_BLOCKS}|span|b|i|u|strong|em|a|code|font)\b", re.IGNORECASE)
_LONGEST_HTML = 2_000_000
_ZENDESK_API = re.compile(r"(https?://[^/]+)/api/v2/tickets/(\d+)\.json")
_JIRA_COMMENT = re.compile(r"[^;]{0,60};([^;]{0,120});(.*)", re.DOTALL)
_JIRA_WORDS = {
    *("done", "fixed", "resolved", "unresolved", "duplicate", "declined", "cancelled", "canceled", "incomplete"),
    *("won't do", "won't fix", "cannot reproduce", "known error", "not a bug", "hardware failure", "software failure"),
}
"""What Jira's field "Resolution" says: that it is done, not how."""


class TicketFields(dict[str, Any]):
    """A ticket in our own fields: what ``ticket_fields`` makes, and leaves alone when it meets it again."""


def ticket_fields(
    data: Mapping[str, Any], *, vocabulary: Vocabulary = TICKET_VOCABULARY, order: DateOrder | None = None
) -> TicketFields:
    """The fields of a ticket as ``TicketRow`` takes them.

    Args:
        data: One row: names to texts, to lists (a column that is there several times) or to JSON values.
        vocabulary: What the columns are called.
        order: What ``03/04/2026`` means in this file.
    """
    if isinstance(data, TicketFields):
        return data
    inner = data.get("fields")  # the answer of Jira's own API
    row = {**data, **inner} if isinstance(inner, Mapping) else dict(data)
    columns = vocabulary.candidates(row)
    fields = TicketFields()
    for name in vocabulary.fields:
        if (value := next((row[one] for one in columns[name] if not _is_empty(row[one])), None)) is not None:
            fields[name] = value
    _name_ticket(fields, row, columns)
    _read_company(fields)
    for name in ("category", "priority", "url", "source", "tool_type", "ticket_id", "desk_id", *_OF_COMPANY):
        if name in fields:
            fields[name] = text_of(fields[name], between=", ")
    for name in _TEXTS:
        if name in fields:
            fields[name] = text_of(fields[name])
    _read_solution(fields, row)
    _read_html(fields)
    _read_particulars(fields)
    _read_resolved_date(fields, row, order)
    # Left out rather than empty, so that the row's own defaults apply.
    return TicketFields({name: value for name, value in fields.items() if not _is_empty(value)})


def understood(names: Iterable[str], vocabulary: Vocabulary = TICKET_VOCABULARY) -> set[str]:
    """Which columns of an export say something to us."""
    return {name for name in names if vocabulary.field_of(name) or plain_name(name) in _READ_BESIDES}


_READ_BESIDES = frozenset(
    {
        "fields",
        "comment",
        "comments",
        "assignee",
        "assignee id",
        "reporter id",
        "requester id",
        "requester",
        "submitter",
    }
    | {"metric set"}
)


def text_of(value: Any, *, between: str = "\n\n") -> str | None:
    """A value without its envelope (``{"display_value": …}``, ``{"name": …}``, rich text), as text."""
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else str(value)
    if isinstance(value, Mapping):
        if value.get("type") == "doc":
            return adf_to_markdown(value)
        inner = next((value[name] for name in _ENVELOPES if not _is_empty(value.get(name))), None)
        return text_of(inner, between=between) if isinstance(inner, str | int | float) else None
    parts = [text_of(one, between=between) for one in value] if isinstance(value, Sequence) else []
    return between.join(part for part in parts if part)


def _read_company(fields: TicketFields) -> None:
    """A reference's id beside its name: ``{"id": …, "name": …}``, ServiceNow's ``{"display_value": …, "value": …}``."""
    named = fields.get("company_name")
    # Of a list the first: that is the company by which the desk itself files the ticket.
    named = named[0] if isinstance(named, list) and named else named
    if not isinstance(named, Mapping):
        return
    fields["company_name"] = named
    number = named.get("id") or (named.get("value") if "display_value" in named else None)
    number = number or str(named.get("link") or "").rpartition("/")[2]
    if number and _is_empty(fields.get("company_id")):
        fields["company_id"] = number


def _is_empty(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, str | list | dict) and not value)
        or (isinstance(value, str) and not value.strip())
    )


def _name_ticket(fields: TicketFields, row: Mapping[str, Any], columns: Mapping[str, list[str]]) -> None:
    """The number people see, and beside it the internal id where the export has both."""
    used = next((plain_name(one) for one in columns["ticket_id"] if not _is_empty(row[one])), "")
    same = text_of(fields.get("desk_id")) == text_of(fields.get("ticket_id"))
    # Beside our own "ticket_id", a column "id" is anybody's; beside a desk's number it is the desk's.
    foreign = used == "ticket id" and "desk id" not in {plain_name(one) for one in row}
    if used in OWN_NUMBERS or same or foreign:
        fields.pop("desk_id", None)


def _read_solution(fields: TicketFields, row: Mapping[str, Any]) -> None:
    """A technician's words: the field for it, else the last comment of whoever the ticket is assigned to."""
    said = str(fields.get("resolution") or "")
    from_jira = any(plain_name(name) in {"issue key", "key"} for name in row)
    # A bare "Done" is no solution and must not be offered to a technician as one.
    if from_jira and said.casefold() in _JIRA_WORDS:
        said = ""
    said = said or _last_comment(row)
    fields["resolution"] = said or None


def _last_comment(row: Mapping[str, Any]) -> str:
    named = {plain_name(name): value for name, value in row.items()}
    assignee, requester = _id_of(named, "assignee"), _id_of(named, "requester") or _id_of(named, "reporter")
    # Who answers their own ticket wrote no solution for others, so nothing is taken for one.
    if not assignee or assignee == requester:
        return ""
    for author, text in reversed(_comments(named.get("comments") or named.get("comment"))):
        # Not a note of our own: learnt from, it would make the product cite itself.
        if author == assignee and text and not find_marks(text):
            return text
    return ""


def _id_of(named: Mapping[str, Any], person: str) -> str:
    value = named.get(f"{person} id")
    if value is None and isinstance(named.get(person), Mapping):
        value = named[person].get("id") or named[person].get("accountId")
    return "" if isinstance(value, Mapping | list) or value is None else str(value)


def _comments(value: Any) -> list[tuple[str, str]]:
    """Author's id and text of each comment: Zendesk's objects, Jira's cells of date, account and text."""
    if isinstance(value, Mapping):
        value = value.get("comments")
    rows = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    comments: list[tuple[str, str]] = []
    for row in rows:
        if isinstance(row, str) and (cell := _JIRA_COMMENT.fullmatch(row)):
            comments.append((cell.group(1).strip(), cell.group(2).strip()))
        elif isinstance(row, Mapping):
            author = row.get("author")
            writer = row.get("author_id") or (author.get("accountId") if isinstance(author, Mapping) else None)
            comments.append(
                (str(writer), text_of(row.get("html_body") or row.get("plain_body") or row.get("body")) or "")
            )
    return comments


def _read_html(fields: TicketFields) -> None:
    # Judged over the whole row: an export writes all its texts as HTML or none, and "<5 users" alone proves nothing.
    texts = {name: unescaped(str(fields[name])) for name in _TEXTS if fields.get(name)}
    if not any(_ELEMENT.search(text) for text in texts.values()):
        return
    for name, text in texts.items():
        fields[name] = markdown_of(text)


def unescaped(text: str) -> str:
    """HTML whose very tags were escaped, once or twice, as HTML."""
    # Twice at most: an export out of an export; a text that shows entities on purpose must keep them.
    for _ in range(2):
        if not _ESCAPED.search(text) or _ELEMENT.search(text):
            break
        text = html.unescape(text)
    return text


def markdown_of(text: str) -> str:
    """A text of a row in which some are HTML: HTML as Markdown, a plain one with its entities read."""
    # Left as it is rather than cut: a text so long is no ticket's, and reading it as HTML would hold the import up.
    if len(text) > _LONGEST_HTML:
        return text
    if not _ELEMENT.search(text):
        return html.unescape(text)
    return html_to_markdown(text if _BLOCK.search(text) else text.replace("\n", "<br>"))


def _read_particulars(fields: TicketFields) -> None:
    if "tags" in fields:
        fields["tags"] = _tags(fields["tags"], fields.get("tool_type"))
    if "url" in fields:  # of Zendesk's two addresses the one that people can open
        fields["url"] = _ZENDESK_API.sub(r"\1/agent/tickets/\2", str(fields["url"]))
    if "source" in fields:
        fields["source"] = re.sub(r"[^a-z0-9_-]+", "-", str(fields["source"]).casefold()).strip("-_")[:50]


def _tags(value: Any, tool_type: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    tags: list[Any] = []
    for one in values:
        if not isinstance(one, str):
            tags.append(text_of(one))
            continue
        # Zendesk separates tags by blanks and other exports have tags with blanks in them.
        by = r"[;,\s]" if tool_type == "zendesk" and not re.search(r"[;,]", one) else r"[;,]"
        tags += [tag.strip() for tag in re.split(by, one)]
    return list(dict.fromkeys(tag for tag in tags if tag))


def _read_resolved_date(fields: TicketFields, row: Mapping[str, Any], order: DateOrder | None) -> None:
    metrics = row.get("metric_set")
    value = fields.get("resolved_date") or (metrics.get("solved_at") if isinstance(metrics, Mapping) else None)
    if value is None:
        return
    try:
        fields["resolved_date"] = read_date(value, order)
    except ValueError:
        fields["resolved_date"] = value  # refused, with the reason, where the row is checked


__all__ = ["TicketFields", "text_of", "ticket_fields", "understood"]
