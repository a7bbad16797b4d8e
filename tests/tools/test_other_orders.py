"""The other orders of the suite are orders of the whole, and turn what has none of its own."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from tests.support import other_orders
from tests.support.other_orders import is_loose, shuffled

from deskhand.kit.db.session import Database

NAMES = [(f"tests/test_{file}.py", f"{file}{number}") for file in "abcdef" for number in range(5)]


def test_every_test_is_there_once_and_files_stay_together() -> None:
    found = shuffled(NAMES, "7")
    assert sorted(found) == sorted(one for _, one in NAMES)
    assert found != [one for _, one in NAMES]
    files = [one[0] for one in found]
    assert sum(before != after for before, after in itertools.pairwise(files)) == 5


def test_the_same_seed_gives_the_same_order_and_another_one_another() -> None:
    assert shuffled(NAMES, "7") == shuffled(list(NAMES), "7") != shuffled(NAMES, "8")


def test_without_a_seed_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [SimpleNamespace(nodeid=f"{name}::{one}") for name, one in NAMES]
    before = list(items)
    monkeypatch.delenv(other_orders.SEED, raising=False)
    other_orders.pytest_collection_modifyitems(items)
    assert items == before
    monkeypatch.setenv(other_orders.SEED, "7")
    other_orders.pytest_collection_modifyitems(items)
    assert items != before


@pytest.mark.parametrize(
    ("statement", "loose"),
    [
        ("SELECT a FROM t", True),
        ("\n  select a from t where b = $1", True),
        ("SELECT a FROM t ORDER BY a", False),
        ("SELECT a FROM t order by a limit 2", False),
        ("SELECT * FROM find_api_key($1)", False),
        ("SELECT unnest($1::int[])", False),
        ("SELECT n FROM generate_series(1, 3) n", False),
        ("INSERT INTO t SELECT 1 RETURNING a", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", False),
    ],
)
def test_only_what_a_server_may_give_in_any_order_is_turned(statement: str, loose: bool) -> None:
    assert is_loose(statement) is loose


async def test_rows_come_the_other_way_round(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = SimpleNamespace(_rows=[1, 2, 3])
    other_orders._turn(None, cursor, "SELECT a FROM t")
    assert list(cursor._rows) == [3, 2, 1]
    monkeypatch.setenv(other_orders.ROWS, "sideways")
    with pytest.raises(ValueError, match="sideways"):
        other_orders.turn_rows()
    # The adapter's store has the name that is used here.
    async with db.anonymous_session() as session:
        raw = await (await session.connection()).get_raw_connection()
        used = raw.cursor()
        assert hasattr(used, "_rows")
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
