"""The database's reference page is what the catalog says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


async def test_the_page_is_current(database_urls):
    spec = importlib.util.spec_from_file_location("gen_database_docs", ROOT / "tools" / "gen_database_docs.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    written = (ROOT / "docs" / "reference" / "database.md").read_text(encoding="utf-8")
    assert await generator.render(database_urls.superuser_url) == written, "run: python tools/gen_database_docs.py"
