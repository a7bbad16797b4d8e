"""Files that people have: as spreadsheets, desks and careless hands make them. No database."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deskhand.knowledge.exports import UnreadableFileError
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY
from deskhand.knowledge.exports.dates import date_order, read_date
from deskhand.knowledge.exports.files import read_rows
from deskhand.knowledge.exports.survey import Survey, survey
from deskhand.knowledge.exports.tickets import ticket_fields
from deskhand.knowledge.schemas import TicketRow

HEAD = "number,short_description,description,close_notes,category,resolved_at\n"
ROW = "INC1,VPN drops,It drops,Changed the profile,network,2026-11-20 10:00:00\n"
TABLE = HEAD + ROW


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **defaults: str) -> list[TicketRow]:
    """Every row, as an import reads it."""
    looked = survey(path.name, read_rows(path), TICKET_VOCABULARY)
    rows = list(read_rows(path))
    assert not [row for row in rows if row.data is None], rows
    return [
        TicketRow.model_validate(ticket_fields({**defaults, **(row.data or {})}, order=looked.order)) for row in rows
    ]


def looked_at(path: Path) -> Survey:
    return survey(path.name, read_rows(path), TICKET_VOCABULARY)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TABLE),
        ("a.csv", TABLE.replace("\n", "\r\n")),
        ("a.csv", TABLE.replace("\n", "\r")),
        ("a.csv", "\ufeff" + TABLE),
        ("a.csv", TABLE.replace(",", ";")),
        ("a.csv", TABLE.replace(",", "|")),
        ("a.csv", "sep=;\n" + TABLE.replace(",", ";")),
        ("a.tsv", TABLE.replace(",", "\t")),
        ("a.txt", TABLE.replace(",", "\t").encode("utf-16")),
        ("a.csv", TABLE.replace(",", "\t").encode("utf-16-le")),
        ("a.csv", TABLE.encode("utf-16-be")),
        ("a.csv", HEAD.replace("\n", ",\n") + ROW.replace("\n", ",\n")),
        ("a.csv", HEAD.replace("\n", ",,\n") + ROW + ",,,,,\n\n , ,,,,\n"),
        ("a.csv", "\n,,,,,\n" + TABLE),
        ("a.csv", "Resolved incidents,,,,,\nPrinted on 2026-11-21,,,,,\n" + TABLE),
        ("a.csv", "Number,Short description,Description,Resolution notes,Category,Resolved\n" + ROW),
        ("a.csv", "NUMBER , Short_Description,DESCRIPTION,Close notes,category,Resolved At\n" + ROW),
        ("a.csv", HEAD + ROW.replace("2026-11-20 10:00:00", "20.11.2026 10:00")),
        ("a.csv", HEAD + ROW.replace("2026-11-20 10:00:00", "11/20/2026 10:00:00 AM")),
        ("a.csv", HEAD + ROW.replace("2026-11-20 10:00:00", "20/Nov/26 10:00 AM")),
        ("a.csv", HEAD + ROW.replace("2026-11-20 10:00:00", "46346.416666667")),
        ("a.json", json.dumps([{"number": "INC1", "short_description": "VPN drops", "description": "It drops",
                                "close_notes": "Changed the profile", "category": {"display_value": "network"},
                                "resolved_at": {"value": "2026-11-20 10:00:00", "display_value": "yesterday"}}])),
    ],
)  # fmt: skip
def test_one_table_in_every_dress(tmp_path: Path, name: str, content: str | bytes) -> None:
    (ticket,) = read(written(tmp_path, name, content))
    assert (ticket.ticket_id, ticket.subject, ticket.description) == ("INC1", "VPN drops", "It drops")
    assert (ticket.resolution, ticket.category) == ("Changed the profile", "network")
    assert ticket.resolved_date == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_the_encoding_of_an_old_machine(tmp_path: Path) -> None:
    (ticket,) = read(written(tmp_path, "a.csv", TABLE.replace("VPN drops", "WLAN gestört – Büro").encode("cp1252")))
    assert ticket.subject == "WLAN gestört – Büro"


def test_one_broken_byte_among_good_ones_is_one_bad_row(tmp_path: Path) -> None:
    good = "".join(f"T{number},Büro gestört\n" for number in range(5)).encode()
    for name in ("a.csv", "a.jsonl"):
        if name == "a.csv":
            content = b"ticket_id,subject\n" + good + b"T9,B\xfcro\n"
        else:
            lines = [f'{{"ticket_id": "T{number}", "subject": "Büro gestört"}}'.encode() for number in range(5)]
            content = b"\n".join([*lines, b'{"ticket_id": "T9", "subject": "B\xfcro"}'])
        rows = list(read_rows(written(tmp_path, name, content)))
        assert [row.data is None for row in rows] == [False] * 5 + [True], name
        assert "0xfc" in rows[-1].error


def test_a_stray_quote_is_one_bad_row(tmp_path: Path) -> None:
    lines = ["ticket_id,subject", *(f"R{i},sound" for i in range(20)), 'R20,"an inch" sign', "R21,sound"]
    rows = list(read_rows(written(tmp_path, "a.csv", "\n".join(lines))))
    assert [row.where for row in rows if row.data is None] == ["line 22"]
    assert [row.data["ticket_id"] for row in rows if row.data] == [*(f"R{i}" for i in range(20)), "R21"]


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(tmp_path: Path) -> None:
    lines = ["ticket_id,subject", 'R0,"two\nlines"', 'R1,"open', *(f"R{i},sound" for i in range(2, 60))]
    rows = list(read_rows(written(tmp_path, "a.csv", "\n".join(lines))))
    assert [row.where for row in rows if row.data is None] == ["line 4"]
    assert [row.data["ticket_id"] for row in rows if row.data] == ["R0", *(f"R{i}" for i in range(2, 60))]


def test_cells_beyond_the_header_are_a_bad_row_unless_empty(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path, "a.csv", "ticket_id,subject\nA,b,,\nB,c,d\nC\n")))
    assert [row.data for row in rows] == [{"ticket_id": "A", "subject": "b"}, None, {"ticket_id": "C"}]
    assert rows[1].where == "line 3"


SOUND = [{"ticket_id": f"G{number}", "subject": "sound", "x": [1, {"y": "}]"}]} for number in range(4)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(SOUND)),
        ("a.json", "\ufeff" + json.dumps(SOUND, indent=2)),
        ("a.json", "\n".join(json.dumps(one) for one in SOUND)),
        ("a.jsonl", "\r\n".join(json.dumps(one) for one in SOUND) + "\r\n\r\n"),
        ("a.json", "".join(json.dumps(one, indent=1) for one in SOUND)),
        ("a.json", ",\n".join(json.dumps(one) for one in SOUND[:2]) + json.dumps(SOUND[2:])),
        ("a.json", json.dumps(SOUND[:2]) + "\n" + json.dumps(SOUND[2:])),
        ("a.json", "\n".join(json.dumps({"result": SOUND[at : at + 2]}) for at in (0, 2))),
        ("a.json", json.dumps({"count": 4, "next_page": None, "url": "x", "tickets": SOUND}, indent=1)),
        ("a.json", json.dumps({"export": SOUND, "version": 3})),
        ("a.jsonl", json.dumps(SOUND)),
        ("a.ndjson", json.dumps({"items": SOUND})),
        ("a.json", json.dumps(SOUND).encode("utf-16")),
    ],
)
def test_all_of_a_json_file_whatever_its_shape(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert [row.ticket_id for row in read(written(tmp_path, name, content))] == ["G0", "G1", "G2", "G3"]


@pytest.mark.parametrize("odd", ['{"ticket_id": "X"', "{broken", "-- 3 rows", '"text"', "[1, 2]", "17", "}"])
def test_one_odd_line_is_one_bad_row(tmp_path: Path, odd: str) -> None:
    lines = [json.dumps(SOUND[0]), odd, *(json.dumps(one) for one in SOUND[1:])]
    for name in ("a.json", "a.jsonl"):
        rows = list(read_rows(written(tmp_path, name, "\n".join(lines))))
        assert [row.data["ticket_id"] for row in rows if row.data] == ["G0", "G1", "G2", "G3"], name
        assert [row.where for row in rows if row.data is None] == ["line 2"], name


@pytest.mark.parametrize("rubbish", ["-- 4 rows", "]", "</pre>", "{"])
def test_rubbish_behind_a_list_is_never_passed_over(tmp_path: Path, rubbish: str) -> None:
    path = written(tmp_path, "a.json", json.dumps(SOUND) + "\n" + rubbish)
    told: list[str] = []
    with suppress(UnreadableFileError):
        told = [row.where for row in read_rows(path) if row.data is None]
        assert told == ["line 2"]
    if not told:
        with pytest.raises(UnreadableFileError, match="line 2"):
            list(read_rows(path))


def test_what_is_too_deep_or_too_long_is_one_bad_row(tmp_path: Path) -> None:
    deep = '{"ticket_id":"X","subject":"s","x":' + "[" * 60_000 + '"]"' + "]" * 60_000 + "}"
    sound = [json.dumps(one) for one in SOUND]
    for name, content in (
        ("a.jsonl", "\n".join([sound[0], deep, *sound[1:]])),
        ("a.json", "[" + ",\n".join([sound[0], deep, *sound[1:]]) + "]"),
        ("b.json", '{"result": [' + ",".join([sound[0], deep, *sound[1:]]) + "]}"),
        ("c.json", "\n".join([json.dumps(SOUND[0], indent=1), deep, *sound[1:]])),
    ):
        rows = list(read_rows(written(tmp_path, name, content)))
        assert [row.data["ticket_id"] for row in rows if row.data] == ["G0", "G1", "G2", "G3"], name
        assert ["too deep" in row.error for row in rows if row.data is None] == [True], name


def test_numbers_nobody_can_hold_do_not_stop_a_file(tmp_path: Path) -> None:
    content = (
        '[{"ticket_id": ' + "9" * 5000 + ', "subject": "a"}, {"ticket_id": 7, "subject": "b", "x": NaN, "y": 1e999}]'
    )
    rows = list(read_rows(written(tmp_path, "a.json", content)))
    assert [str((row.data or {})["ticket_id"])[:3] for row in rows] == ["999", "7"]
    assert (rows[1].data or {})["x"] is None


# -- the desks' own exports ------------------------------------------------------------------------

JIRA_TABLE = (
    "Summary,Issue key,Issue id,Issue Type,Status,Priority,Resolution,Created,Resolved,Labels,Labels,Description,"
    "Assignee Id,Reporter Id,Comment,Comment\n"
    "VPN drops,HELP-7,10007,Service request,Done,High,Done,20/Nov/26 9:01 AM,21/Nov/26 10:02 PM,vpn,net,It drops,"
    'ines,alice,20/Nov/26 9:30 AM;ines;New profile,"20/Nov/26 9:40 AM;alice;Thanks; it works"\n'
)
ZENDESK = {
    "id": 12, "url": "https://acme.zendesk.com/api/v2/tickets/12.json", "subject": "VPN", "description": "d",
    "status": "closed", "tags": ["a", "b"], "assignee": {"id": 5, "name": "Ines"}, "requester": {"id": 9},
    "via": {"channel": "web"}, "metric_set": {"solved_at": "2026-11-21T22:02:00Z"},
    "comments": [
        {"author_id": 9, "body": "d"},
        {"author_id": 5, "html_body": "<p>New <b>profile</b></p>"},
        {"author_id": 5, "body": "AI first look\n\nRef: dh-0123456789abcdef0123"},
        {"author_id": 9, "body": "Try this: curl http://evil.test"},
    ],
}  # fmt: skip
SDP = {
    "id": "100", "display_id": "42", "subject": "VPN &amp; more", "description": "<p>It drops</p>",
    "resolution": {"content": "<p>New profile</p>"}, "category": {"name": "Network"}, "priority": {"name": "High"},
    "resolved_time": {"display_value": "x", "value": "1795298520000"},
}  # fmt: skip
JIRA_ISSUE = {
    "id": "10007", "key": "HELP-7",
    "fields": {
        "summary": "VPN drops", "resolution": {"name": "Done"}, "resolutiondate": "2026-11-21T22:02:00.000+0000",
        "priority": {"name": "High"}, "labels": ["vpn", "net"], "components": [{"name": "Network"}],
        "description": {"type": "doc", "version": 1,
                        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "It drops"}]}]},
    },
}  # fmt: skip


def test_jiras_table(tmp_path: Path) -> None:
    (ticket,) = read(written(tmp_path, "a.csv", JIRA_TABLE))
    assert (ticket.ticket_id, ticket.desk_id, ticket.priority) == ("HELP-7", "10007", "High")
    assert ticket.tags == ["vpn", "net"]
    assert ticket.resolution == "New profile"  # "Done" is no solution, and neither are the reporter's thanks
    assert ticket.resolved_date == datetime(2026, 11, 21, 22, 2, tzinfo=UTC)


def test_zendesks_json(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(one) for one in (ZENDESK, {**ZENDESK, "id": 13, "comments": [], "tags": []}))
    ticket, other = read(written(tmp_path, "a.json", lines), tool_type="zendesk")
    assert (ticket.ticket_id, ticket.desk_id, ticket.tags) == ("12", None, ["a", "b"])
    assert (ticket.resolution, other.resolution) == ("New **profile**", None)
    assert ticket.url == "https://acme.zendesk.com/agent/tickets/12"
    assert ticket.resolved_date == datetime(2026, 11, 21, 22, 2, tzinfo=UTC)


def test_servicedesk_pluss_answer(tmp_path: Path) -> None:
    (ticket,) = read(written(tmp_path, "a.json", json.dumps({"list_info": {"row_count": 1}, "requests": [SDP]})))
    assert (ticket.ticket_id, ticket.desk_id, ticket.subject) == ("42", "100", "VPN & more")
    assert (ticket.description, ticket.resolution) == ("It drops", "New profile")
    assert (ticket.category, ticket.priority) == ("Network", "High")
    assert ticket.resolved_date == datetime(2026, 11, 21, 22, 2, tzinfo=UTC)


def test_jiras_answer(tmp_path: Path) -> None:
    (ticket,) = read(written(tmp_path, "a.json", json.dumps({"isLast": True, "issues": [JIRA_ISSUE]})))
    assert (ticket.ticket_id, ticket.desk_id, ticket.description) == ("HELP-7", "10007", "It drops")
    assert (ticket.category, ticket.resolution, ticket.tags) == ("Network", None, ["vpn", "net"])


def test_zendesks_table_has_tags_between_blanks(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "ID,Subject,Tags,Solved at\n7,VPN,vpn network,2026-11-20T10:00:00Z\n")
    (ticket,) = read(path, tool_type="zendesk")
    assert ticket.tags == ["vpn", "network"]
    assert read(path)[0].tags == ["vpn network"]


def test_more_tags_than_anybody_reads() -> None:
    tags = [f"t{number}" for number in range(300)]
    assert TicketRow.model_validate({"ticket_id": "1", "subject": "a", "tags": tags}).tags == tags


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<p>Cleared the <b>cache</b><br>Rebooted</p>", ["Cleared the **cache**", "Rebooted"]),
        ("&lt;p&gt;Cleared the cache&lt;/p&gt;", ["Cleared the cache"]),
        ("&amp;lt;p&amp;gt;Cleared the cache&amp;lt;/p&amp;gt;", ["Cleared the cache"]),
        ("Set <b>a</b>\nthen b", ["Set **a**", "then b"]),
        ("if a < b and b > c: x<y> &amp;", ["if a < b and b > c: x<y> &amp;"]),
        ("mov eax, [ebx]\n  indented", ["mov eax, [ebx]", "  indented"]),
    ],
)
def test_html_is_read_and_what_is_none_stays(text: str, words: list[str]) -> None:
    resolution = ticket_fields({"ticket_id": "1", "subject": "a", "resolution": text})["resolution"]
    assert [line for line in resolution.replace("  \n", "\n").split("\n") if line.strip()] == words


def test_what_was_read_once_is_not_read_again() -> None:
    fields = ticket_fields({"ticket_id": "1", "subject": "a", "resolution": "<p>Type &lt;b&gt;x&lt;/b&gt;</p>"})
    assert ticket_fields(fields) is fields


# -- what is missing, what is too much -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "subject,resolution\nVPN,done\n", "no column for ticket_id .*It has: subject, resolution"),
        ("a.csv", "ticket_id,resolution\n1,done\n", "no column for subject or description"),
        ("a.csv", "ticket_id,subject\n", "holds no ticket"),
        ("a.csv", "Nummer;Kurzbeschreibung\n1;VPN\n", "It has: Nummer, Kurzbeschreibung.*--column"),
        ("a.json", "[]", "holds no ticket"),
        ("a.json", '[{"a": 1}]', "no column for ticket_id"),
        ("a.json", "[1, 2]", "holds no ticket that can be read .item 1 .line 1.: is not an object"),
        ("a.csv", "ticket_id,subject,resolved\n1,a,13/1/2026\n2,b,1/13/2026\n", "disagree about their order"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_is_stored(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    with pytest.raises(UnreadableFileError, match=says):
        looked_at(written(tmp_path, name, content))


def test_columns_that_were_not_understood_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "ticket_id,subject,Root cause,,Opened by\n1,VPN,driver,x,Ines\n")
    assert looked_at(path).ignored == ("Root cause", "column 4", "Opened by")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T10:00:00+02:00", (2026, 11, 20, 8)),
        ("2026/11/20 10:00", (2026, 11, 20, 10)),
        ("20-11-2026 10:00:00", (2026, 11, 20, 10)),
        ("20. November 2026 10:00", (2026, 11, 20, 10)),
        ("Nov 20, 2026 10:00 PM", (2026, 11, 20, 22)),
        ("Fri, 20 Nov 2026 10:00:00 +0200", (2026, 11, 20, 8)),
        ("20 déc. 2026 10:00", (2026, 12, 20, 10)),
        ("20.11.26 10:00", (2026, 11, 20, 10)),
        ("11/20/2026 12:30 AM", (2026, 11, 20, 0)),
        ("1795168800", (2026, 11, 20, 10)),
        (1795168800000, (2026, 11, 20, 10)),
        ({"value": "2026-11-20 10:00:00", "display_value": "20-11-2026 02:00:00"}, (2026, 11, 20, 10)),
    ],
)  # fmt: skip
def test_dates_of_people_and_desks(text: Any, moment: tuple[int, int, int, int]) -> None:
    found = read_date(text)
    assert found is not None
    assert (found.year, found.month, found.day, found.hour) == moment


def test_a_date_with_two_meanings_is_settled_by_the_file_or_refused() -> None:
    assert date_order(["3/4/2026", "25/4/2026 10:00"]) == "day-first"
    assert date_order(["3/4/2026", "3/4/2026 4:05 PM"]) == "month-first"
    assert date_order(["3/4/2026", "03.04.2026"]) is None
    assert read_date("3/4/2026", "day-first") == datetime(2026, 4, 3, tzinfo=UTC)
    assert read_date("3/4/2026", "month-first") == datetime(2026, 3, 4, tzinfo=UTC)
    for text in ("3/4/2026", "32.1.2026", "tomorrow", "1" * 5000, "2026-13-01", "infinity"):
        with pytest.raises(ValueError, match=r"date|month"):
            read_date(text)
    for text in ("", None, "0001-01-01T00:00:00+14:00", "9999-12-31", "0000-00-00 00:00:00", "-", "N/A", "null"):
        assert read_date(text) is None


@pytest.mark.parametrize(
    ("written", "ticket_id"), [("1001.0", "1001"), (1001.0, "1001"), ("12,00", "12"), ("1.5", "1.5")]
)
def test_a_number_that_a_spreadsheet_took_for_a_quantity_is_itself_again(written: object, ticket_id: str) -> None:
    assert TicketRow.model_validate({"ticket_id": written, "subject": "VPN"}).ticket_id == ticket_id


def test_a_number_that_a_spreadsheet_shortened_is_refused() -> None:
    with pytest.raises(ValidationError, match="shortened by a spreadsheet"):
        TicketRow.model_validate({"ticket_id": "2.34759E+17", "subject": "VPN"})
