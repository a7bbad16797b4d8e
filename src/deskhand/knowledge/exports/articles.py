"""Articles out of files: Markdown, HTML, Word, PDF, JSON, JSON Lines, tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deskhand.kit.markdown import clean_html
from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.apart import Kind, read_apart
from deskhand.knowledge.exports.columns import ARTICLE_VOCABULARY, Vocabulary, plain_name
from deskhand.knowledge.exports.files import DATA_SUFFIXES, read_rows
from deskhand.plugins.text import html_to_markdown

_TITLE = re.compile(r"<title[^<>]{0,200}>", re.IGNORECASE)
_TITLE_END = re.compile("</title>", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", re.DOTALL)
_TABLES = DATA_SUFFIXES - {".txt", ".tsv"}
_PAPERS: dict[str, Kind] = {".docx": "word", ".docm": "word", ".pdf": "pdf"}
_ARTICLE_SUFFIXES = _TABLES | {".md", ".markdown", ".html", ".htm", *_PAPERS}
_KNOWN = ".md, .html, .docx, .pdf, .json, .jsonl, .csv, .xlsx"
# Columns whose texts are pages, in the exports of those who call them so.
_PAGES = frozenset({"html", "text", "article"})


def read_articles(path: Path, vocabulary: Vocabulary = ARTICLE_VOCABULARY) -> Iterator[ExportRow]:
    """Articles of a file, or of every file below a directory: Markdown, HTML, Word, PDF, JSON, JSON Lines, tables.

    Markdown may begin with front matter (``article_id``, ``title``, ``tags``, ``url``, ``source``); without it the
    file's name is the id and the first heading the title. In data files a field ``html`` is turned into Markdown.

    Args:
        path: File or directory.
        vocabulary: What the columns of tables may be called.

    Raises:
        UnreadableFileError: As ``read_rows``; or the directory holds nothing to read.
    """
    files = _article_files(path) if path.is_dir() else [path]
    if not files:
        raise UnreadableFileError(f"{path} holds no article ({_KNOWN}).")
    for number, file in enumerate(files, start=1):
        if file.suffix.lower() in _TABLES:
            for row in read_rows(file, vocabulary):
                data = None if row.data is None else _article_fields(row.data, vocabulary)
                yield ExportRow(f"{file.name}, {row.where}", data, row.error, number / len(files))
        elif (kind := _PAPERS.get(file.suffix.lower())) is not None:
            yield _read_paper(kind, file, number / len(files))
        else:
            yield _read_document(file, number / len(files))


def _article_files(path: Path) -> list[Path]:
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in _ARTICLE_SUFFIXES)
    # A folder's readme is about the folder, and "~$name.docx" is a lock of whoever has the document open. Sorted, so
    # that a repeated import reports in the same order on each machine.
    return sorted(file for file in files if file.name.lower() != "readme.md" and not file.name.startswith("~$"))


def _article_fields(data: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    body = next(iter(vocabulary.candidates(data)["body"]), "")
    fields = vocabulary.under_own_names(data)
    if plain_name(body) in _PAGES and isinstance(fields.get("body"), str):
        fields["body"] = _without_title(_page_to_markdown(fields["body"]), str(fields.get("title") or ""))
    return fields


def _read_document(path: Path, fraction: float) -> ExportRow:
    try:
        # Editors on Windows put a byte-order mark in front, which would hide the front matter.
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return ExportRow(path.name, None, f"cannot be read: {error}", fraction)
    if path.suffix.lower() in {".html", ".htm"}:
        title = _title_of(text)
        fields, body = ({"title": title} if title else {}), _page_to_markdown(text)
    elif path.suffix.lower() in {".md", ".markdown"}:
        fields, body = _front_matter(text)
    else:
        return ExportRow(path.name, None, f"is none of {_KNOWN}", fraction)
    return _document(path, fields, fields.get("title") or _heading(body) or path.stem, body, fraction)


def _read_paper(kind: Kind, path: Path, fraction: float) -> ExportRow:
    """A Word document or a PDF; one that cannot be read is one article of a folder."""
    try:
        with read_apart(kind, path) as written:
            paper = json.loads(written.readline())
    except UnreadableFileError as error:
        return ExportRow(path.name, None, error.detail, fraction)
    body = _page_to_markdown(paper["html"])
    if not body:
        return ExportRow(path.name, None, "holds no text", fraction)
    # What a program has written into the file's properties is often the name of its first template.
    return _document(path, {}, _heading(body) or paper.get("title") or path.stem, body, fraction)


def _heading(body: str) -> str:
    heading = re.search(r"^#{1,3}\s+(.+)$", body, re.MULTILINE)
    return heading.group(1).strip() if heading else ""


def _document(path: Path, fields: dict[str, str], title: str, body: str, fraction: float) -> ExportRow:
    return ExportRow(
        path.name,
        # The file's name is the id unless the file says otherwise, so that importing a folder again renews its
        # articles.
        {"article_id": path.stem, **fields, "title": title, "body": _without_title(body, title)},
        fraction=fraction,
    )


def _title_of(html: str) -> str:
    begins = _TITLE.search(html)
    ends = _TITLE_END.search(html, begins.end()) if begins else None
    return html[begins.end() : ends.start()].strip() if begins and ends else ""


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    header = _FRONT_MATTER.match(text)
    if header is None:
        return {}, text.strip()
    pairs = (line.partition(":") for line in header.group(1).splitlines() if ":" in line)
    fields = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
    return fields, text[header.end() :].strip()


def _page_to_markdown(html: str) -> str:
    """A page of a knowledge base as Markdown; its relative links lead nowhere here, so only their words stay."""
    return html_to_markdown(clean_html(html, url_relative="deny"))


def _without_title(body: str, title: str) -> str:
    """Drop a first heading that only repeats the title."""
    first, _, rest = body.partition("\n")
    return rest.strip() if first.lstrip("# ").strip().lower() == title.strip().lower() and rest.strip() else body


__all__ = ["read_articles"]
