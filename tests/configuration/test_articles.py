"""Articles as files: stored, found, pruned as files say; what an import brought is left until a file names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.configuration.conftest import Commands

from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.configuration.article_document import ArticleDocument, article_file
from deskhand.configuration.articles import Articles
from deskhand.kit.yaml import read_yaml, write_yaml
from deskhand.knowledge.articles import (
    FROM_FILES,
    Vectors,
    delete_articles,
    find_article,
    list_articles,
    make_vectors,
    store_article,
)
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.schemas import ArticleIn
from deskhand.knowledge.search import search_articles

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


async def stored(commands: Commands, *, source: str = FROM_FILES, tenant: str = "acme") -> dict[str, ArticleIn]:
    async with commands.api.db.tenant_session(tenant) as session:
        return {one.article_id: one for one in await list_articles(session, source=source)}


async def test_what_is_exported_makes_an_empty_installation_the_same(commands: Commands, tmp_path: Path) -> None:
    folder = put(tmp_path / "f", vpn=VPN, prn=PRINTER)
    assert "+ create article KB 12/VPN (vpn.yaml)" in await commands.apply(folder, "--dry-run")
    assert await stored(commands) == {}
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
    # A run finds it as it finds an imported one, by its words and by what it means.
    async with commands.api.db.tenant_session("empty") as session:
        [hit] = await search_articles(session, "809 UDP", embedder=LexicalOnly())
        vectors = await session.scalars(text("SELECT embedding_model FROM knowledge_articles"))
        assert len({one for one in vectors if one}) == 1
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
        '/source: "import" → "file"',
        '/title: "Imported" → "A printer is offline"',
        "-From the wiki.",
        "+Restart the spooler.",
    ):
        assert line in told, told
    assert list(await stored(commands, source="import")) == ["other"]

    (folder / "vpn.yaml").unlink()
    left = await commands.apply(folder)
    assert "! left article KB 12/VPN (no file says it; --prune deletes it)" in left
    assert "- delete article KB 12/VPN" in await commands.apply(folder, "--prune")
    assert list(await stored(commands)) == ["prn"]
    assert list(await stored(commands, source="import")) == ["other"]
    async with commands.api.db.tenant_session("acme") as session:
        page = await audit.list_entries(session, tenant_id="acme", filters=AuditFilters(), limit=50)
        changes = [one.operation for one in page.items if one.resource_type == "article"]
    assert sorted(changes) == ["article.create", "article.delete", "article.update"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"article_id": " "}, "line 3: article_id: String should match pattern"),
        ({"title": ""}, "line 4: title: String should have at least 1 character"),
        ({"url": "ftp://x"}, "line 5: url: String should match pattern"),
        ({"body": "\n"}, "body: String should match pattern"),
        ({"source": "import"}, "source: there is no such field"),
        ({"article_id": " prn "}, "vpn.yaml, line 3: article_id: 'prn' is the article of prn.yaml already"),
    ],
)
async def test_a_mistake_is_a_sentence_with_file_line_and_key(
    commands: Commands, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    said = await commands.apply(put(tmp_path / "f", vpn={**VPN, **change}, prn=PRINTER), code=1)
    assert told in said, said
    assert await stored(commands) == {}


async def test_articles_are_stored_in_the_callers_transaction_with_vectors_made_before_it(commands: Commands) -> None:
    article = ArticleDocument.model_validate(VPN).article
    assert (article.source, article_file(article)) == (FROM_FILES, VPN)
    assert await make_vectors([]) == Vectors()
    vectors = await make_vectors([article], LexicalOnly())
    assert vectors == Vectors(None, {article.article_id: None})
    async with commands.api.db.tenant_session("acme") as session:
        await store_article(session, "acme", article, vectors)
        assert await find_article(session, article.article_id) == article
        known = Articles(session=session, tenant_id="acme", actor="tests", vectors=Vectors())
        assert await known.export() == [article]
        assert await known.apply([], prune=True) == []
        await delete_articles(session, [article.article_id])
        assert await find_article(session, article.article_id) is None
