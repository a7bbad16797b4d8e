"""Articles as files: stored, found, pruned as files say; what an import brought is left until a file names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.configuration.conftest import Commands

from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.configuration.article_document import ArticleDocument, article_file
from deskhand.configuration.articles import Articles
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.yaml import read_yaml, write_yaml
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.search import search_articles
from deskhand.knowledge.shelves.service import UPLOADED

ARTICLES = "/api/v1/knowledge/articles"
VPN: dict[str, Any] = {
    "apiVersion": "deskhand/v1",
    "kind": "Article",
    "article_id": "KB 12/VPN",
    "title": "The VPN gives error 809",
    "url": "https://wiki.example.com/vpn",
    "tags": ["vpn", "Ä"],
    "body": "# Error 809\n\nOpen UDP 500 and 4500.\n\n    a block: with 'quotes'  \n\n- one\n- two",
}
PRINTER: dict[str, Any] = {
    **{name: VPN[name] for name in ("apiVersion", "kind")},
    "article_id": "prn",
    "title": "A printer is offline",
    "body": "Restart the spooler.",
}


def put(folder: Path, **files: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(write_yaml(content))
    return folder


async def stored(commands: Commands, *, source: str = UPLOADED) -> list[str]:
    async with commands.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        query = select(KnowledgeArticle.article_id).where(KnowledgeArticle.source == source)
        return list(await session.scalars(query.order_by(KnowledgeArticle.article_id)))


async def test_what_is_exported_makes_an_empty_installation_the_same(commands: Commands, tmp_path: Path) -> None:
    folder = put(tmp_path / "f", vpn=VPN, prn=PRINTER)
    assert "+ create article KB 12/VPN (vpn.yaml)" in await commands.apply(folder, "--dry-run")
    assert await stored(commands) == []
    assert "Plan: 2 to create, 0 to change, 0 to delete, 0 unchanged." in await commands.apply(folder)
    assert "Nothing to change." in await commands.apply(folder)
    exported = await commands.export(tmp_path / "exported")
    assert list(exported) == ["article.kb-12-vpn.yaml", "article.prn.yaml"]
    assert read_yaml(exported["article.kb-12-vpn.yaml"]).value == VPN
    assert "Nothing to change." in await commands.apply(tmp_path / "exported", "--prune")

    await commands.api.tenant("empty")
    assert "Plan: 2 to create" in await commands.apply(tmp_path / "exported", tenant="empty")
    assert "Nothing to change." in await commands.apply(tmp_path / "exported", tenant="empty")
    assert await commands.export(tmp_path / "second", tenant="empty") == exported
    # A run finds it as it finds any other one: by its words at once.
    async with commands.api.db.tenant_session("empty", companies=EVERY_COMPANY) as session:
        [hit] = await search_articles(session, "809 UDP", embedder=LexicalOnly())
    assert (hit.article_id, hit.url) == ("KB 12/VPN", "https://wiki.example.com/vpn")


async def test_a_change_is_shown_line_by_line_and_what_no_file_says_goes_with_prune_alone(
    commands: Commands, tmp_path: Path
) -> None:
    imported = tmp_path / "imported.jsonl"
    rows = [{"article_id": one, "title": "Imported", "body": "From the wiki."} for one in ("prn", "other")]
    imported.write_text("\n".join(map(json.dumps, rows)))
    await commands.run("import-articles", str(imported))
    folder = put(tmp_path / "f", vpn=VPN, prn=PRINTER)
    told = await commands.apply(folder)
    for line in (
        "+ create article KB 12/VPN",
        "~ change article prn (prn.yaml)",
        '/source: "import" → "upload"',
        '/title: "Imported" → "A printer is offline"',
        "-From the wiki.",
        "+Restart the spooler.",
    ):
        assert line in told, told
    assert await stored(commands, source="import") == ["other"]

    (folder / "vpn.yaml").unlink()
    left = await commands.apply(folder)
    assert "! left article KB 12/VPN (no file says it; --prune deletes it)" in left
    assert "- delete article KB 12/VPN" in await commands.apply(folder, "--prune")
    assert await stored(commands) == ["prn"]
    assert await stored(commands, source="import") == ["other"]
    async with commands.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        page = await audit.list_entries(session, tenant_id="acme", filters=AuditFilters(), limit=50)
        changes = [one.operation for one in page.items if one.resource_type == "knowledge"]
    assert sorted(one for one in changes if one.startswith("article.")) == [
        "article.create", "article.delete", "article.update",
    ]  # fmt: skip


async def test_what_people_keep_in_the_console_is_exported_and_what_they_change_there_is_drift(
    commands: Commands, tmp_path: Path
) -> None:
    made = {name: PRINTER[name] for name in ("article_id", "title", "body")}
    added = await commands.client.post(ARTICLES, json=made)
    assert added.status_code == 201, added.text
    exported = await commands.export(tmp_path / "exported")
    assert read_yaml(exported["article.prn.yaml"]).value == PRINTER
    folder = tmp_path / "exported"
    assert "Nothing to change." in await commands.apply(folder)
    put(folder, more=VPN)
    await commands.apply(folder)
    past = {"body": "Restart it.", "url": "https://wiki.example.com/prn"}
    assert (await commands.client.patch(f"{ARTICLES}/{added.json()['id']}", json=past)).is_success
    told = await commands.apply(folder)
    for line in (
        "~ change article prn (article.prn.yaml)",
        '/url: "https://wiki.example.com/prn" → nothing',
        "-Restart it.",
        "+Restart the spooler.",
        "UTC, article.update",
    ):
        assert line in told, told
    assert "Nothing to change." in await commands.apply(folder, "--prune")
    assert await commands.export(tmp_path / "second") == {
        **exported, "article.kb-12-vpn.yaml": write_yaml(VPN),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"article_id": ""}, "line 3: article_id: Value should have at least 1 item"),
        ({"title": ""}, "line 4: title: Value should have at least 1 item"),
        ({"url": "ftp://x"}, "line 5: url: String should match pattern"),
        ({"body": "\n"}, "body: has no text"),
        ({"source": "import"}, "source: there is no such field"),
        ({"article_id": "prn"}, "vpn.yaml, line 3: article_id: 'prn' is the article of prn.yaml already"),
    ],
)
async def test_a_mistake_is_a_sentence_with_file_line_and_key(
    commands: Commands, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    said = await commands.apply(put(tmp_path / "f", vpn={**VPN, **change}, prn=PRINTER), code=1)
    assert told in said, said
    assert await stored(commands) == []


async def test_a_folder_without_articles_says_nothing_of_them(commands: Commands, tmp_path: Path) -> None:
    await commands.apply(put(tmp_path / "f", vpn=VPN))
    async with commands.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        articles = Articles(session=session, tenant_id="acme", actor="tests")
        assert await articles.apply([], prune=True) == []
        [content] = await articles.export()
    assert article_file(content) == VPN
    assert ArticleDocument.model_validate(VPN).content() == content
