"""A keeper in a process of its own that is killed inside the transaction of one page: python -m, with JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from sqlalchemy import event
from tests.support.logins import PROVER, open_pool
from tests.support.upkeep import reach_of

from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.upkeep import steps
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper


async def main(given: dict[str, Any]) -> None:
    steps.PAGE = given["page"]
    db = Database(given["app_url"], prover=PROVER)
    pool = await open_pool(given["app_url"], min_size=1, max_size=2)
    pages = 0

    @event.listens_for(db.engine.sync_engine, "after_cursor_execute")
    def count_pages(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal pages
        # The rows of the page and the place after it are written, and not yet committed.
        pages += statement.startswith("UPDATE knowledge_jobs") and "unchanged" in statement
        if pages == given["dies_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    keeper = KnowledgeKeeper(pool, reach_of(db, given["key"], LexicalOnly()), lease=given["lease"])
    while True:
        await keeper.work()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
