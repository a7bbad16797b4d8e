"""A worker shows people that it lives and how busy it is. Nothing depends on it: runs live by their own heartbeats."""

from __future__ import annotations

import asyncpg

SHOW_SECONDS = 5.0
SILENT_SECONDS = 20.0
"""Whoever did not show itself for so long is taken for dead: four times were missed."""


async def show_worker(pool: asyncpg.Pool[asyncpg.Record], *, worker_id: str, slots: int, running: int) -> None:
    """Say that a worker lives.

    Args:
        pool: Connections of the application role, with a worker's proof.
        worker_id: Which one.
        slots: Runs that it takes at once.
        running: Runs that it has now.
    """
    await pool.execute("SELECT show_worker($1, $2, $3)", worker_id, slots, running)


async def forget_worker(pool: asyncpg.Pool[asyncpg.Record], *, worker_id: str) -> None:
    """Say that a worker stops."""
    await pool.execute("SELECT forget_worker($1)", worker_id)
