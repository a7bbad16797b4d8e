"""The readers of exports, each by itself: JSON of any shape in windows, and tables with whatever stands in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY
from deskhand.knowledge.exports.documents import WRAPPERS, read_documents
from deskhand.knowledge.exports.tables import read_table

ONE, TWO = {"ticket_id": "1", "subject": "a"}, {"ticket_id": "2", "subject": "b"}


def documents(text: str, *, lines: bool = False) -> Iterator[ExportRow]:
    raw = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    stream = io.TextIOWrapper(raw, "utf-8", errors="surrogateescape", newline="")
    return read_documents(stream, raw, max(1, len(text)), TICKET_VOCABULARY, lines=lines)


def table(text: str) -> list[ExportRow]:
    raw = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    stream = io.TextIOWrapper(raw, "utf-8", errors="surrogateescape", newline="")
    return list(read_table(stream, raw, max(1, len(text)), TICKET_VOCABULARY))


def data(rows: Iterator[ExportRow] | list[ExportRow]) -> list[dict[str, Any] | None]:
    return [row.data for row in rows]


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_list_is_found_under_each_name_that_systems_use(wrapper: str) -> None:
    assert data(documents(json.dumps({"count": 2, wrapper: [ONE, TWO], "next": None}))) == [ONE, TWO]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        "\ufeff" + json.dumps([ONE, TWO]),
        json.dumps(ONE) + json.dumps(TWO),
        json.dumps(ONE, indent=2) + "\n\n" + json.dumps(TWO, indent=2),
        json.dumps(ONE) + "\n\n" + json.dumps(TWO, indent=2),
        "\x1e" + json.dumps(ONE) + "\n\x1e" + json.dumps(TWO),
        json.dumps([ONE]) + "\n" + json.dumps([TWO]),
        json.dumps({"unknown": [ONE, TWO], "paging": {"next": 2}}),
        json.dumps({"result": [ONE]}) + json.dumps({"result": [TWO]}),
    ],
)
def test_the_shapes_in_which_two_rows_come(text: str) -> None:
    assert data(documents(text)) == [ONE, TWO]


def test_a_broken_line_of_json_lines_is_one_bad_row() -> None:
    text = "\n".join([json.dumps(ONE), '{"ticket_id": "broken', "", json.dumps(TWO)])
    rows = list(documents(text, lines=True))
    assert data(rows) == [ONE, None, TWO]
    assert (rows[1].where, rows[1].error[:11]) == ("line 2", "is not JSON")


@pytest.mark.parametrize("size", [1, 65_530, 65_536, 65_542, 200_000])
def test_a_value_over_the_windows_edge_is_read_whole(size: int) -> None:
    long = {"ticket_id": "1", "subject": "x" * size}
    assert data(documents(json.dumps([long, TWO]))) == [long, TWO]


@pytest.mark.parametrize("before", range(65_520, 65_540, 3))
def test_a_number_over_the_windows_edge_is_not_cut(before: int) -> None:
    text = "[" + " " * before + '{"ticket_id": 1234567890123}]'
    assert data(documents(text)) == [{"ticket_id": 1234567890123}]


@pytest.mark.parametrize(
    ("written", "read"),
    [("1" * 400, "1" * 400), ("1e400", "1e400"), ("-1e400", "-1e400"), ("NaN", None), ("Infinity", None), ("1.5", 1.5)],
)
def test_a_number_that_nobody_can_hold_is_the_text_it_was(written: str, read: Any) -> None:
    assert data(documents(f'[{{"ticket_id": "1", "n": {written}}}]')) == [{"ticket_id": "1", "n": read}]


def test_what_is_nested_too_deeply_is_one_bad_row_and_the_next_one_is_read() -> None:
    deep = "[" * 200_000 + "]" * 200_000
    rows = list(documents(f"[{json.dumps(ONE)}, {deep}, {json.dumps(TWO)}]"))
    assert data(rows) == [ONE, None, TWO]
    assert "deeply" in rows[1].error or "deep" in rows[1].error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("7", "list of objects"),
        ("nonsense", "Not JSON"),
        (f"[{json.dumps(ONE)}", "cut off"),
        (f"[{json.dumps(ONE)}, {{", "Not JSON"),
        ('{"total": 0}', "holds no list"),
    ],
)
def test_a_file_that_is_something_else_says_so(text: str, said: str) -> None:
    with pytest.raises(UnreadableFileError, match=said):
        list(documents(text))


def test_rows_before_the_cut_are_not_lost() -> None:
    rows = documents(f"[{json.dumps(ONE)}, {json.dumps(TWO)}, ")
    assert next(rows).data == ONE
    assert next(rows).data == TWO
    with pytest.raises(UnreadableFileError, match="line 1"):
        next(rows)


def test_what_is_no_object_is_a_bad_row_with_its_place() -> None:
    rows = list(documents(json.dumps([ONE, 7, None, [TWO], TWO])))
    assert data(rows) == [ONE, None, None, None, TWO]
    assert [row.where for row in rows] == [f"item {number} (line 1)" for number in range(1, 6)]


def test_a_byte_of_another_encoding_costs_its_own_row() -> None:
    rows = list(documents('[{"ticket_id": "1", "subject": "gr\udcfcn"}, ' + json.dumps(TWO) + "]"))
    assert data(rows) == [None, TWO]
    assert "0xfc" in rows[0].error


def test_progress_ends_at_the_whole() -> None:
    fractions = [row.fraction for row in documents(json.dumps([ONE] * 5000))]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


# -- tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_under_which_the_header_is_understood(separator: str) -> None:
    text = separator.join(["ticket_id", "subject", "description"]) + "\n" + separator.join(["1", "a", "b"]) + "\n"
    assert data(table(text)) == [{"ticket_id": "1", "subject": "a", "description": "b"}]


def test_a_file_may_say_its_separator_itself() -> None:
    assert data(table("sep=;\nticket_id;subject\n1;a,b\n")) == [{"ticket_id": "1", "subject": "a,b"}]


def test_a_title_above_the_header_is_passed_over() -> None:
    text = "Report of November\n\nticket_id,subject\n1,a\n"
    rows = table(text)
    assert data(rows) == [{"ticket_id": "1", "subject": "a"}]
    assert rows[0].where == "line 4"


def test_a_quote_that_is_not_closed_costs_one_line() -> None:
    rows = table('ticket_id,subject\n1,a\n2,"never closed\n3,c\n4,d\n')
    assert data(rows) == [
        {"ticket_id": "1", "subject": "a"},
        None,
        {"ticket_id": "3", "subject": "c"},
        {"ticket_id": "4", "subject": "d"},
    ]
    assert (rows[1].where, "quote" in rows[1].error) == ("line 3", True)


def test_cells_over_several_lines_keep_the_number_of_their_last() -> None:
    rows = table('ticket_id,subject\n1,"a\nb\nc"\n2,d\n')
    assert data(rows) == [{"ticket_id": "1", "subject": "a\nb\nc"}, {"ticket_id": "2", "subject": "d"}]
    assert [row.where for row in rows] == ["line 4", "line 5"]


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ("1,a,,,", {"ticket_id": "1", "subject": "a"}),
        ("1", {"ticket_id": "1"}),
        ("1,", {"ticket_id": "1"}),
        ("1,a,b", None),
    ],
)
def test_a_row_of_another_length_than_its_header(cells: str, row: dict[str, str] | None) -> None:
    (only,) = table(f"ticket_id,subject\n{cells}\n")
    assert only.data == row
    assert (row is None) == ("more than the 2" in only.error)


def test_a_column_that_is_there_several_times_comes_as_a_list() -> None:
    rows = table("ticket_id,comment,comment,comment\n1,a,,b\n2,c,,\n")
    assert data(rows) == [{"ticket_id": "1", "comment": ["a", "b"]}, {"ticket_id": "2", "comment": "c"}]


def test_a_cell_that_the_database_cannot_hold_is_mended_and_one_that_cannot_be_read_is_refused() -> None:
    rows = table("ticket_id,subject\n1,a\x00b\n2,gr\udcfcn\n")
    assert data(rows) == [{"ticket_id": "1", "subject": "ab"}, None]
    assert "subject" in rows[1].error


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_an_empty_table_says_so(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="empty"):
        table(text)
