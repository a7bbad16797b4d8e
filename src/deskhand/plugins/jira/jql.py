"""JQL of our searches: bounded by the project, user text quoted and stripped of operators; pure.

Dates in JQL have no zone and minute granularity; they are read in the time zone of the account that asks.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from deskhand.kit.storable import read_json
from deskhand.plugins.contract import Ticket, TicketQuery
from deskhand.plugins.errors import DeskValidationError

OVERLAP = timedelta(minutes=2)
"""How far a history search reaches back: the index lags, and JQL knows only whole minutes. Callers dedupe."""

_MAX_WORDS = 20
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
"""Jira has no tickets outside, and an instant there may have no local time."""
_NOT_IN_A_WORD = re.compile(r"[^\w.'@-]+|(?<!\w)[.'@-]+|[.'@-]+(?!\w)")


def quoted(value: str) -> str:
    """A JQL string; control characters cannot be part of one."""
    plain = "".join(" " if ord(sign) < 32 else sign for sign in value)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(text: str) -> list[str]:
    """Search words without anything the text index reads as an operator (``+ - & | ! ( ) ~ * ? :`` AND, OR, NOT)."""
    # In small letters, because only AND, OR and NOT in capitals are operators.
    plain = [word.lower() for word in _NOT_IN_A_WORD.sub(" ", text).split()]
    return list(dict.fromkeys(plain))[:_MAX_WORDS]


def moment(when: datetime, zone: ZoneInfo) -> str:
    """A JQL date, rounded down to the minute."""
    return quoted(min(max(when, _EARLIEST), _LATEST).astimezone(zone).strftime("%Y/%m/%d %H:%M"))


@dataclass(frozen=True, slots=True)
class People:
    """Names of a query as the site knows them.

    Attributes:
        priorities: The site's words.
        group_field: Custom field of the group, e.g. ``customfield_10200``.
        reporter: An accountId.
    """

    priorities: tuple[str, ...] = ()
    group_field: str = ""
    reporter: str = ""


def search(query: TicketQuery, project: str, zone: ZoneInfo, names: People | None = None) -> str:
    """The search of a ``TicketQuery``, newest change first; its bounds in time are held to the minute only."""
    clauses = [f"project = {quoted(project)}"]
    clauses += [f"text ~ {quoted(word)}" for word in words(query.text)]
    if query.status:
        clauses.append(f"status in ({', '.join(quoted(name) for name in query.status)})")
    names = names or People()
    if names.priorities:
        clauses.append(f"priority in ({', '.join(quoted(name) for name in names.priorities)})")
    if query.group is not None:
        clauses.append(f"cf[{names.group_field.removeprefix('customfield_')}] = {quoted(query.group)}")
    if names.reporter:
        clauses.append(f"reporter = {quoted(names.reporter)}")
    for field, since, until in (
        ("created", query.created_since, query.created_until),
        ("updated", query.updated_since, query.updated_until),
    ):
        if since is not None:
            clauses.append(f"{field} >= {moment(since, zone)}")
        if until is not None:
            # A minute more than was asked, because JQL rounds down; holds() takes the surplus out again.
            clauses.append(f"{field} < {moment(min(until, _LATEST) + timedelta(minutes=1), zone)}")
    # Always with the project in front: Jira refuses a search without a bound, and other projects are none of ours.
    return " AND ".join(clauses) + " ORDER BY updated DESC"


def holds(query: TicketQuery, ticket: Ticket) -> bool:
    """Whether a ticket is within the exact bounds in time, since JQL knows whole minutes only."""
    bounds = (
        (ticket.created_at, query.created_since, query.created_until),
        (ticket.updated_at, query.updated_since, query.updated_until),
    )
    return all(
        at is None or ((since is None or at >= since) and (until is None or at < until)) for at, since, until in bounds
    )


def created_with(mark: str, project: str) -> str:
    """The tickets that were created with a mark, the first of them first."""
    return f"project = {quoted(project)} AND labels = {quoted(mark)} ORDER BY created ASC"


def history(since: datetime, project: str, zone: ZoneInfo, field: str) -> str:
    """Tickets that are done, from a time on: bounded and ordered by one field, so that going on leaves none out."""
    start = moment(max(since, _EARLIEST) - OVERLAP, zone)
    return f"project in ({quoted(project)}) AND statusCategory = Done AND {field} >= {start} ORDER BY {field} ASC"


def project_only(project: str) -> str:
    """Every ticket of the project."""
    return f"project = {quoted(project)}"


def pack_cursor(token: str, reconcile: list[int]) -> str:
    """Our cursor: the vendor's page token with the list of ids that must be the same on every page."""
    return base64.urlsafe_b64encode(json.dumps([token, reconcile]).encode()).decode()


def unpack_cursor(cursor: str) -> tuple[str, list[int]]:
    """Token and ids of a cursor.

    Raises:
        DeskValidationError: It is not one of ours.
    """
    try:
        token, reconcile = read_json(base64.urlsafe_b64decode(cursor.encode()))
        return str(token), [int(number) for number in reconcile]
    except (binascii.Error, ValueError, TypeError, UnicodeError) as error:
        raise DeskValidationError("The search cursor is not valid.", fields=("cursor",)) from error
