"""Workbooks, Word documents and PDFs written by hand, as small as their programs would accept them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

Cell = str | float | bool | datetime | None
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def archive(members: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def _relations(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _types(path: str, kind: str) -> str:
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/{path}" ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/>'
        "</Types>"
    )


# -- workbooks ---------------------------------------------------------------------------------------


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], *, hidden: Sequence[str] = ()) -> bytes:
    """An ``.xlsx``; a date is a number that is shown as one, as spreadsheets keep it."""
    return workbook_of({name: sheet_data(rows) for name, rows in sheets.items()}, hidden=hidden)


def workbook_of(sheets: Mapping[str, str], *, hidden: Sequence[str] = ()) -> bytes:
    """An ``.xlsx`` of the XML of its rows."""
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"'
        + (' state="hidden"/>' if name in hidden else "/>")
        for number, name in enumerate(sheets, start=1)
    )
    opens, closes = f'<worksheet xmlns="{_SHEET}"><sheetData>', "</sheetData></worksheet>"
    relations = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    return archive(
        {
            "[Content_Types].xml": _types("xl/workbook.xml", "spreadsheetml.sheet"),
            "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations(*relations, ("styles", "styles.xml")),
            "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
            "</styleSheet>",
            **{
                f"xl/worksheets/sheet{number}.xml": opens + data + closes
                for number, data in enumerate(sheets.values(), start=1)
            },
        }
    )


def open_document(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """An ``.ods``, LibreOffice's own; a number and a date stand in attributes, and a text in a paragraph."""
    named = {"office": "office", "table": "table", "text": "text"}
    spaces = " ".join(f'xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for one, name in named.items())
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>"
        + "".join(f"<table:table-row>{''.join(map(_open_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    listed = f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    return archive(
        {
            "mimetype": kind,
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{manifest}">{listed}</manifest:manifest>',
            "content.xml": f"<office:document-content {spaces}>{body}</office:document-content>",
        }
    )


def _open_cell(value: Cell) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, str):
        shown = f"<text:p>{escape(value)}</text:p>"
        return f'<table:table-cell office:value-type="string">{shown}</table:table-cell>'
    if isinstance(value, datetime):
        return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"/>'
    return f'<table:table-cell office:value-type="float" office:value="{value!r}"/>'


def sheet_data(rows: Sequence[Sequence[Cell]]) -> str:
    return "".join(
        f'<row r="{number}">' + "".join(_cell(cell, place, number) for place, cell in enumerate(row)) + "</row>"
        for number, row in enumerate(rows, start=1)
    )


def _cell(value: Cell, place: int, number: int) -> str:
    at = f'r="{chr(ord("A") + place)}{number}"'
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c {at} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c {at} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400  # noqa: DTZ001 - spreadsheets know no zone
        return f'<c {at} s="1"><v>{days!r}</v></c>'
    return f"<c {at}><v>{value!r}</v></c>"


# -- Word ----------------------------------------------------------------------------------------


def word(paragraphs: Sequence[tuple[str, str]], *, inside: str = "") -> bytes:
    """A ``.docx`` of paragraphs, each with the name of its style (``heading 1``, ``Title``; empty for none).

    Args:
        inside: XML after the last paragraph.
    """
    styles = {style for style, _ in paragraphs if style}
    body = "".join(
        "<w:p>"
        + (f'<w:pPr><w:pStyle w:val="{_style_id(style)}"/></w:pPr>' if style else "")
        + f"<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"
        for style, text in paragraphs
    )
    # Word translates a style's id and never its name: the German one has "berschrift1", called "heading 1".
    named = "".join(
        f'<w:style w:type="paragraph" w:styleId="{_style_id(style)}"><w:name w:val="{style}"/></w:style>'
        for style in sorted(styles)
    )
    return word_of(f'<w:document xmlns:w="{_WORD}"><w:body>{body}{inside}</w:body></w:document>', styles=named)


def word_of(document: str, *, styles: str = "") -> bytes:
    """A ``.docx`` of the XML of its document."""
    return archive(
        {
            "[Content_Types].xml": _types("word/document.xml", "wordprocessingml.document"),
            "_rels/.rels": _relations(("officeDocument", "word/document.xml")),
            "word/_rels/document.xml.rels": _relations(("styles", "styles.xml")),
            "word/styles.xml": f'<w:styles xmlns:w="{_WORD}">{styles}</w:styles>',
            "word/document.xml": document,
        }
    )


def _style_id(style: str) -> str:
    return "".join(sign for sign in f"x{style}" if sign.isalnum())


# -- PDF -----------------------------------------------------------------------------------------

Line = tuple[float, str]


def pdf(pages: Sequence[Sequence[Line]], *, title: str = "", mono: bool = False, lock: str = "") -> bytes:
    """A PDF of pages of lines, each with the size of its letters.

    Args:
        pages: A line of size 0 is an empty one.
        title: What its properties say.
        mono: In letters of one width.
        lock: Objects of an encryption dictionary.
    """
    font = "Courier" if mono else "Helvetica"
    count = len(pages)
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {count} /Kids [{' '.join(f'{5 + 2 * one} 0 R' for one in range(count))}] >>",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({title}) >>",
    ]
    for number, lines in enumerate(pages):
        stream = _page_stream(lines)
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {6 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream.encode('latin-1'))} >>\nstream\n{stream}\nendstream")
    return pdf_of(objects, f"/Info 4 0 R {lock}")


def _page_stream(lines: Sequence[Line]) -> str:
    parts, y = [], 800.0
    for size, text in lines:
        y -= 1.2 * (size or 12)
        if size:
            shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            parts.append(f"BT /F1 {size} Tf 1 0 0 1 50 {y:.1f} Tm ({shown}) Tj ET")
    return "\n".join(parts)


def pdf_of(objects: Sequence[str], trailer: str = "") -> bytes:
    """A PDF of its objects, the first of them its catalogue."""
    file, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(file)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


__all__ = ["archive", "open_document", "pdf", "pdf_of", "sheet_data", "word", "word_of", "workbook", "workbook_of"]
