"""Search and paging of the simulated account."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from deskhand.plugins.text import html_to_text
from deskhand.simulators.base import SimTicket
from deskhand.simulators.zendesk.vocabulary import STATUSES, read_time
from deskhand.simulators.zendesk.wire import custom_status_id, group_id, invalid, refuse

SEARCH_LIMIT = 1000
OFFSET_LIMIT = 10_000
MAX_PAGE = 100
EXPORT_CURSOR_LIFE = timedelta(hours=1)
_TERM = re.compile(
    r'(?P<not>-?)(?P<key>\w+)(?P<op><=|>=|:|<|>)(?P<value>"[^"]*"|\S+)|"(?P<phrase>[^"]*)"|(?P<word>\S+)'
)
_TIMES = {"created": "created_at", "updated": "updated_at", "solved": "resolved_at"}
_SORTS = {"created_at": "created_at", "updated_at": "updated_at", "status": "status", "priority": "priority"}
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a query; a word or phrase has no key."""

    key: str
    op: str
    value: str
    negated: bool = False


def parse(query: str, *, export: bool = False) -> list[Term]:
    """The terms of a query; the export does not allow ``type:``."""
    terms: list[Term] = []
    for part in _TERM.finditer(query):
        if part["key"]:
            terms.append(Term(part["key"].casefold(), part["op"], part["value"].strip('"'), bool(part["not"])))
        else:
            terms.append(Term("", ":", part["phrase"] or part["word"] or ""))
    if export and any(term.key == "type" for term in terms):
        raise refuse(422, "invalid", "Invalid search: the type must be given as filter[type]")
    return terms


def matches(ticket: SimTicket, terms: list[Term]) -> bool:
    """Several ``:`` terms of one property are alternatives, everything else must hold."""
    alternatives: dict[str, bool] = {}
    for term in terms:
        holds = _holds(ticket, term) is not term.negated
        # Several terms of one property mean "any of them", and terms of different ones "all": the vendor's own rule.
        if term.key and term.op == ":" and not term.negated:
            alternatives[term.key] = alternatives.get(term.key, False) or holds
        elif not holds:
            return False
    return all(alternatives.values())


def _holds(ticket: SimTicket, term: Term) -> bool:
    if not term.key:
        return _contains(ticket, term.value)
    if term.key in _TIMES:
        return _time_holds(getattr(ticket, _TIMES[term.key]), term)
    # Statuses have an order at the vendor, by which triggers and searches say "less than solved".
    if term.key == "status" and term.op != ":" and {ticket.status, term.value} <= set(STATUSES):
        return _compare(STATUSES.index(ticket.status), term.op, STATUSES.index(term.value))
    plain: dict[str, set[str]] = {
        "type": {"ticket"},
        "status": {ticket.status},
        "custom_status_id": {str(custom_status_id(ticket))},
        "priority": {ticket.priority or "none"},
        "tags": set(ticket.tags),
        "group": {str(ticket.group).casefold(), str(group_id(ticket.group))},
        "assignee": _person_words(ticket.assignee),
        "requester": _person_words(ticket.requester),
        "organization": {str(ticket.company).casefold()},
        "subject": set(_WORDS.findall(ticket.subject.casefold())),
    }
    if term.key not in plain:
        raise refuse(422, "invalid", f"Invalid search: unknown property {term.key}")
    return term.value.casefold() in plain[term.key]


def _person_words(person: Any) -> set[str]:
    return {"none"} if person is None else {person.id, person.email.casefold(), person.name.casefold()}


def _contains(ticket: SimTicket, phrase: str) -> bool:
    texts = [ticket.subject, html_to_text(ticket.description), *(html_to_text(note.body) for note in ticket.notes)]
    words = _WORDS.findall(" ".join(texts).casefold())
    sought = _WORDS.findall(phrase.casefold())
    # Whole words in their order: the vendor's index has no parts of words without an asterisk.
    return any(words[at : at + len(sought)] == sought for at in range(len(words) - len(sought) + 1))


def _time_holds(moment: datetime | None, term: Term) -> bool:
    border = read_time(term.value) or read_time(f"{term.value}T00:00:00Z")
    if border is None:
        raise refuse(422, "invalid", f"Invalid search: {term.value} is not a date")
    if moment is None:
        return False
    if term.op == ":":
        # A time with ":" means its whole day, whatever hour was written.
        return moment.date() == border.date()
    return _compare(moment.replace(microsecond=0), term.op, border)


def _compare(left: Any, op: str, right: Any) -> bool:
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op])


def ordered(tickets: list[SimTicket], params: QueryParams) -> list[SimTicket]:
    """By the property asked for; else newest first, which stands for relevance."""
    name = _SORTS.get(params.get("sort_by", ""), "created_at")
    descending = params.get("sort_order", "desc") == "desc"
    return sorted(tickets, key=lambda t: (str(getattr(t, name)), int(t.id)), reverse=descending)


# -- paging ----------------------------------------------------------------------------------------


def page_of(
    rows: list[Any], params: QueryParams, url: str, *, limit: int = OFFSET_LIMIT
) -> tuple[list[Any], dict[str, Any]]:
    """One page and what describes it: by cursor if ``page[size]`` is given, else by offset.

    Args:
        rows: Everything.
        params: Of the call.
        url: Of the call, without its query.
        limit: Offset at which the account refuses to go on.
    """
    if "page[size]" in params or "page[after]" in params:
        return _cursor_page(rows, params, url)
    size = min(_natural(params, "per_page", MAX_PAGE), MAX_PAGE)
    page = _natural(params, "page", 1)
    if page * size > limit and limit == SEARCH_LIMIT:
        raise refuse(422, "invalid", "Invalid search: Requested response size was greater than Search Response Limits")
    if page * size > limit:
        raise refuse(400, "InvalidPaginationDepth", "Number of records exceeds limit, use cursor pagination")
    last = page * size >= len(rows)

    def link(number: int) -> str:
        return f"{url}?{_query({**dict(params), 'page': str(number)})}"

    described = {
        "count": len(rows),
        "next_page": None if last else link(page + 1),
        "previous_page": link(page - 1) if page > 1 else None,
    }
    return rows[(page - 1) * size : page * size], described


def _cursor_page(rows: list[Any], params: QueryParams, url: str) -> tuple[list[Any], dict[str, Any]]:
    size = min(_natural(params, "page[size]", MAX_PAGE), MAX_PAGE)
    start = int(read_cursor(params["page[after]"])[0]) if params.get("page[after]") else 0
    page = rows[start : start + size]
    more = start + size < len(rows)
    after = write_cursor(str(start + len(page))) if page else None
    following = f"{url}?{_query({**dict(params), 'page[after]': after or ''})}"
    before = write_cursor(str(start)) if page else None
    meta = {"has_more": more, "after_cursor": after, "before_cursor": before}
    return page, {"meta": meta, "links": {"next": following if more else None, "prev": None}}


def _natural(params: Mapping[str, str], name: str, default: int) -> int:
    value = params.get(name, str(default))
    if not value.isdigit() or int(value) < 1:
        raise refuse(400, "InvalidValue", f"{name} must be an integer greater than 0")
    return int(value)


def _query(params: Mapping[str, str]) -> str:
    return str(QueryParams(dict(params)))


def write_cursor(*parts: str) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode()


def read_cursor(cursor: str) -> list[str]:
    """Parts of a cursor; anything else is refused."""
    try:
        parts = base64.urlsafe_b64decode(cursor).decode().split("|")
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("cursor", "Cursor: is invalid") from None
    if not parts[0].replace(".", "", 1).isdigit():
        raise invalid("cursor", "Cursor: is invalid")
    return parts


def incremental(
    tickets: Iterator[SimTicket], params: QueryParams, now: datetime, *, delay: timedelta
) -> tuple[list[SimTicket], str | None, bool]:
    """A page of the incremental export: rows, the next cursor, whether it was the last.

    Args:
        tickets: All of them.
        params: ``start_time`` or ``cursor``, and ``per_page``.
        now: Of the account.
        delay: How old a change must be to be exported.
    """
    if params.get("cursor"):
        stamp, last_id = (*read_cursor(params["cursor"]), "0")[:2]
        after = (int(stamp), int(last_id))
    else:
        after = (_start_time(params, now), 0)
    rows = sorted(tickets, key=_export_key)
    rows = [ticket for ticket in rows if _export_key(ticket) > after]
    if delay:
        rows = [ticket for ticket in rows if ticket.updated_at <= now - delay]
    size = min(_natural(params, "per_page", 1000), 1000)
    page = rows[:size]
    cursor = write_cursor(*(str(part) for part in _export_key(page[-1]))) if page else params.get("cursor")
    return page, cursor, len(rows) <= size


def _export_key(ticket: SimTicket) -> tuple[int, int]:
    return int(ticket.updated_at.timestamp()), int(ticket.id)


def _start_time(params: QueryParams, now: datetime) -> int:
    seconds = params.get("start_time", "")
    if not seconds.isdigit():
        raise refuse(400, "InvalidValue", "start_time is missing or not a number")
    # The vendor's export ends a minute before now, so that no change of the running second is missed.
    if int(seconds) > now.timestamp() - 60:
        raise refuse(422, "InvalidStartTime", "Too recent start_time. Use a start_time older than 60 seconds")
    return int(seconds)
