"""Word documents and PDFs as articles: their words and headings, and files that cannot or must not be read."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.support import office

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import ExportRow, UnreadableFileError, apart, paper_text
from deskhand.knowledge.exports.articles import read_articles
from deskhand.knowledge.exports.spool import spooled

LONG = "The queue of the printer is kept on print01, and whoever may print may empty it there."
PROCEDURE = [
    ("Title", "Printers"),
    ("heading 1", "Empty the queue"),
    ("", "Open the console & stop the service <spooler>."),
    ("heading 2", "If it stays"),
    ("", "Restart print01."),
]


def article(tmp_path: Path, name: str, content: bytes) -> dict[str, Any]:
    path = tmp_path / name
    path.write_bytes(content)
    (row,) = read_articles(path)
    assert row.data is not None, row.error
    return row.data


def refused(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    (row,) = read_articles(path)
    assert row.data is None
    return row.error


# -- Word ----------------------------------------------------------------------------------------


def test_a_word_document_keeps_its_headings(tmp_path: Path) -> None:
    data = article(tmp_path, "print.docx", office.word(PROCEDURE))
    assert (data["article_id"], data["title"]) == ("print", "Printers")
    assert data["body"].split("\n\n") == [
        "# Empty the queue",
        "Open the console & stop the service <spooler>.",
        "## If it stays",
        "Restart print01.",
    ]


def test_a_table_and_a_picture_of_a_word_document_stay_what_they_are(tmp_path: Path) -> None:
    cells = "".join(
        f"<w:tr>{''.join(f'<w:tc><w:p><w:r><w:t>{one}</w:t></w:r></w:p></w:tc>' for one in row)}</w:tr>"
        for row in (["Code", "Meaning"], ["809", "Port closed"])
    )
    data = article(tmp_path, "codes.docx", office.word([("", "Codes of the VPN:")], inside=f"<w:tbl>{cells}</w:tbl>"))
    assert "| 809 | Port closed |" in data["body"]
    assert data["title"] == "codes", "without a heading the file's name is the title"


def test_a_word_document_without_words_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "a.docx", office.word([("", "")])) == "holds no text"


ENTITIES = "".join(f'<!ENTITY a{one} "{f"&a{one - 1};" * 10}">' for one in range(1, 10))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 torn off", "cannot be read as a Word document"),
        (b"\xd0\xcf\x11\xe0 an old one", "cannot be read as a Word document"),
        (office.workbook({"A": [["Number"]]}), "cannot be read as a Word document"),
        (office.word_of("<w:document"), "cannot be read as a Word document"),
        (
            office.word_of(f'<!DOCTYPE a [<!ENTITY a0 "ha">{ENTITIES}]><a>&a9;</a>'),
            "cannot be read as a Word document|more time or memory",
        ),
        (office.word([], inside="<w:sdt><w:sdtContent>" * 20_000), "cannot be read as a Word document"),
        (
            office.word([("", "a")], inside="<w:sdt><w:sdtContent>" * 20_000 + "</w:sdtContent></w:sdt>" * 20_000),
            "cannot be read as a Word document|more time or memory",
        ),
    ],
    ids=["torn", "old", "workbook", "not XML", "entities", "unclosed", "nested"],
)
def test_a_broken_word_document_is_one_clear_error(tmp_path: Path, content: bytes, says: str) -> None:
    error = refused(tmp_path, "a.docx", content)
    assert any(one in error for one in says.split("|")), error
    assert error.startswith("a.docx ")
    assert "Traceback" not in error


# -- PDF -----------------------------------------------------------------------------------------

HEAD = (9.0, "Handbook of the service desk")


def page(number: int, *lines: office.Line) -> list[office.Line]:
    return [HEAD, (0, ""), *lines, (0, ""), (9.0, f"Page {number} of 6")]


def test_a_pdf_gets_headings_by_size_and_paragraphs_by_gaps(tmp_path: Path) -> None:
    lines = [
        (24.0, "Printers"),
        (0, ""),
        (16.0, "Empty the queue"),
        (0, ""),
        (11.0, LONG),
        (11.0, "That goes for a <spooler> of a branch, too."),
        (0, ""),
        (11.0, "Restart it."),
    ]
    data = article(tmp_path, "print.pdf", office.pdf([lines], title="Microsoft Word - x.doc"))
    assert (data["article_id"], data["title"]) == ("print", "Printers")
    assert data["body"].split("\n\n") == [
        "## Empty the queue",
        LONG + " That goes for a <spooler> of a branch, too.",
        "Restart it.",
    ]


def test_heads_feet_and_tables_of_contents_are_left_out(tmp_path: Path) -> None:
    pages = [
        page(number, (11.0, f"Part {number * 9}."), (11.0, f"{LONG} Chapter {number * 7} says more."))
        for number in range(1, 7)
    ]
    contents = page(
        0, (11.0, "Printers . . . . . . . . . . . . . . 4"), (11.0, "What this is about and for whom it is.")
    )
    body = article(tmp_path, "a.pdf", office.pdf([contents, *pages]))["body"]
    assert not [words for words in ("Handbook", "Page ", " of 6", ". . .") if words in body]
    assert all(f"Chapter {number * 7} says more." in body for number in range(1, 7))


def test_a_heading_that_begins_every_page_is_no_head(tmp_path: Path) -> None:
    pages = [[(16.0, f"Step {number}"), (0, ""), (11.0, f"{LONG} {number * 7}.")] for number in range(1, 6)]
    body = article(tmp_path, "a.pdf", office.pdf(pages))["body"]
    # The first is the title.
    assert [line for line in body.split("\n") if line.startswith("#")] == [f"# Step {number}" for number in range(2, 6)]


def test_a_chapter_that_has_its_pages_number_is_no_head(tmp_path: Path) -> None:
    pages = [
        [
            (11.0, f"{number}"),
            (16.0, f"{number} About part {'abcdef'[number]}"),
            (0, ""),
            (11.0, f"{LONG} {number * 7}."),
        ]
        for number in range(1, 6)
    ]
    body = article(tmp_path, "a.pdf", office.pdf(pages))["body"]
    assert body.count("# ") == 4, body
    assert "\n2\n" not in f"\n{body}\n"


def test_commands_stay_lines_and_words_that_the_margin_cut_are_whole(tmp_path: Path) -> None:
    commands = article(tmp_path, "a.pdf", office.pdf([[(11.0, "net stop spooler"), (11.0, "del *.spl")]], mono=True))
    assert commands["body"] == "```\nnet stop spooler\ndel *.spl\n```"
    cut = office.pdf([[(11.0, LONG + " After that the con-"), (11.0, "nection is there again, for everybody.")]])
    assert "the connection is there" in article(tmp_path, "b.pdf", cut)["body"]


def test_what_the_file_says_of_itself_is_its_title_where_it_has_no_heading(tmp_path: Path) -> None:
    assert article(tmp_path, "a.pdf", office.pdf([[(11.0, LONG)]], title="Printer queues"))["title"] == "Printer queues"
    assert article(tmp_path, "b.pdf", office.pdf([[(11.0, LONG)]], title="untitled"))["title"] == "b"


LOCK = (
    "/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] /Encrypt "
    f"<< /Filter /Standard /V 1 /R 2 /P -44 /O <{'ab' * 32}> /U <{'cd' * 32}> >>"
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (office.pdf([[], []]), "holds pictures of pages and no text"),
        (office.pdf([[(11.0, "Scan 1")]] * 3), "holds pictures of pages and no text"),
        (office.pdf([[(11.0, LONG)]], lock=LOCK), "is protected with a password"),
        (b"%PDF-1.7\nnothing more", "cannot be read as a PDF"),
        (office.word(PROCEDURE), "cannot be read as a PDF"),
        (b"", "cannot be read as a PDF"),
    ],
    ids=["pictures", "stamps", "locked", "torn", "a Word document", "empty"],
)
def test_a_pdf_that_cannot_be_used_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    error = refused(tmp_path, "a.pdf", content)
    assert says in error
    assert "Traceback" not in error


def test_a_pdf_of_more_pages_than_anybody_reads_is_refused(tmp_path: Path) -> None:
    # All of them the same page, in a tree: a kilobyte is enough for any number.
    leaves = ["<< /Type /Page /MediaBox [0 0 9 9] >>"]
    trees = [f"<< /Type /Pages /Count {50**level} /Kids [{f'{5 - level} 0 R ' * 50}] >>" for level in (3, 2, 1)]
    error = refused(tmp_path, "a.pdf", office.pdf_of(["<< /Type /Catalog /Pages 2 0 R >>", *trees, *leaves]))
    assert any(words in error for words in (f"{paper_text.MOST_PAGES} is the most", "more time", "cannot be read"))


def test_a_stream_that_unpacks_to_gigabytes_is_given_up(tmp_path: Path) -> None:
    blank = zlib.compress(bytes(1 << 20), 9)
    # Packed over and over: each filter unpacks what the one before has made.
    for _ in range(2):
        blank = zlib.compress(blank * 200, 9)
    stream = blank.decode("latin-1")
    content = office.pdf_of([
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
        f"<< /Length {len(blank)} /Filter [/FlateDecode /FlateDecode /FlateDecode] >>\nstream\n{stream}\nendstream",
    ])  # fmt: skip
    assert len(content) < 100_000
    assert refused(tmp_path, "a.pdf", content).startswith("a.pdf ")


def test_the_helper_is_ended_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WALL_SECONDS", 0.01)
    assert "could not be read in" in refused(tmp_path, "a.docx", office.word(PROCEDURE))


# -- folders -------------------------------------------------------------------------------------


async def test_a_folder_brings_its_papers_and_names_what_it_could_not_read(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    (tmp_path / "print.docx").write_bytes(office.word(PROCEDURE))
    (tmp_path / "~$print.docx").write_bytes(b"open on somebody's screen")
    (tmp_path / "vpn.pdf").write_bytes(office.pdf([[(16.0, "VPN"), (0, ""), (11.0, LONG)]]))
    (tmp_path / "scan.pdf").write_bytes(office.pdf([[]]))
    (tmp_path / "list.xlsx").write_bytes(office.workbook({"A": [["id", "title", "body"], [7.0, "Codes", "809"]]}))
    report = await importer.import_articles(clean_db, tenant, tmp_path, on_error="continue", embedder=LexicalOnly())
    assert (report.created, report.failed) == (3, 1)
    assert str(report.problems[0]).startswith("scan.pdf: scan.pdf holds pictures of pages")
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        rows = await session.execute(text("SELECT article_id, title FROM knowledge_articles ORDER BY 1"))
        assert [tuple(row) for row in rows] == [("7", "Codes"), ("print", "Printers"), ("vpn", "VPN")]


async def test_one_paper_that_cannot_be_read_is_said_before_anything_is_stored(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(office.pdf([[]]))
    with pytest.raises(UnreadableFileError, match=r"holds no article that can be read .*text recognition"):
        await importer.import_articles(clean_db, tenant, path, embedder=LexicalOnly())


def test_rows_that_are_kept_are_asked_for_once_and_read_as_often_as_wanted() -> None:
    rows = [ExportRow("a", {"title": "ä", "half": "\ud83d"}, fraction=0.5), ExportRow("b", None, "broken", 1.0)]
    with spooled(iter(rows)) as read:
        assert list(read()) == rows
        assert list(read()) == rows
