"""What a backup says of itself, and what is told where a restored database is not the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskhand.errors import InvalidInputError
from deskhand.recovery.backup import LEAST_CHARACTERS, ensure_unguessable
from deskhand.recovery.figures import Found, differences
from deskhand.recovery.manifest import Figure, Manifest, packed, unpacked
from deskhand.recovery.restore import Report, _ours_of, at_database, ensure_same

MANIFEST = Manifest(
    made_at=datetime(2026, 11, 29, tzinfo=UTC),
    made_by="0.1.0",
    revision="a59c1e7d3b46",
    server_major=18,
    extensions=["pg_trgm"],
    roles=["deskhand_owner"],
    tables={"agents": Figure(rows=2, digest="5"), "audit_log": Figure(rows=9, digest="-7")},
    sequences={"clock": 40},
    encryption_keys=["k"],
    tenant_keys=["t"],
    settings={"DESKHAND_PORT": "8001"},
)


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 100, 1 << 20])
def test_it_is_read_again_however_it_arrives_with_the_dump_behind_it(cut: int) -> None:
    content = packed(MANIFEST) + b"PGDMP and so on"
    manifest, dump = unpacked(content[start : start + cut] for start in range(0, len(content), cut))
    assert manifest == MANIFEST
    assert b"".join(dump) == b"PGDMP and so on"
    assert manifest.rows == 11


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\xff\xff\xff\xff{}", b"\0\0\0\2[]", b"\0\0\0\7not all"])
def test_what_says_nothing_of_itself_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        unpacked(iter([content]))


def test_fields_of_a_later_version_are_passed_over() -> None:
    text = MANIFEST.model_dump_json().replace("{", '{"later":1,', 1).encode()
    assert unpacked(iter([len(text).to_bytes(4, "big") + text]))[0] == MANIFEST


def test_every_difference_is_told_and_a_sequence_may_have_run_on() -> None:
    same = Found(dict(MANIFEST.tables), {"clock": 41})
    assert differences(MANIFEST, same) == []
    other = Found({"agents": Figure(rows=2, digest="6"), "strange": Figure(rows=0, digest="0")}, {"clock": 39})
    assert differences(MANIFEST, other) == [
        "table audit_log is missing",
        "table strange was not in the backup",
        "table agents has 2 rows, and not the same ones",
        "sequence clock stands at 39 and not at 40 or later",
    ]
    fewer = Found({**MANIFEST.tables, "agents": Figure(rows=1, digest="5")}, {})
    assert differences(MANIFEST, fewer) == [
        "table agents has 1 rows and not 2",
        "sequence clock stands at None and not at 40 or later",
    ]


def test_a_report_with_a_fault_of_any_kind_is_no_restore() -> None:
    good = {"differences": [], "chains": 2, "broken": [], "tenancy": [], "secrets": 3, "locked": 0}
    ensure_same(Report(**good))
    for faulty, words in (
        ({"differences": ["table agents is missing"]}, "agents is missing"),
        ({"broken": ["audit chain acme is broken"]}, "acme is broken"),
        ({"tenancy": ["policy open"]}, "policy open"),
        ({"locked": 2}, "2 stored secrets open with none"),
    ):
        with pytest.raises(Exception, match=words):
            ensure_same(Report(**{**good, **faulty}))


def test_what_a_server_has_already_is_left_out_of_the_list() -> None:
    kept = [
        "; Archive created",
        "217; 1259 16400 TABLE public agents deskhand_owner",
        "9; 0 0 COMMENT public TABLE agents x",
    ]
    left = [
        "2; 3079 16385 EXTENSION - pg_trgm ",
        "4150; 0 0 COMMENT - EXTENSION pg_trgm ",
        "5; 2615 2200 SCHEMA - public pg_database_owner",
        "4149; 0 0 COMMENT - SCHEMA public pg_database_owner",
    ]
    assert _ours_of("\n".join([*kept, *left])).splitlines() == kept


def test_another_database_of_the_same_server() -> None:
    url = "postgresql://u:p%40@h1:5432,h2:5433/old?target_session_attrs=read-write"
    assert at_database(url, "new") == "postgresql://u:p%40@h1:5432,h2:5433/new?target_session_attrs=read-write"
    assert at_database("postgresql:///old?host=/run", "new") == "postgresql:///new?host=/run"
    assert at_database("postgresql://h/old", "new") == "postgresql://h/new"


@pytest.mark.parametrize("passphrase", ["", "short", "a" * 40, "abab" * 10, "x" * (LEAST_CHARACTERS - 1)])
def test_a_passphrase_that_can_be_guessed_is_refused(passphrase: str) -> None:
    with pytest.raises(InvalidInputError, match="deskhand keys new"):
        ensure_unguessable(passphrase)


@pytest.mark.parametrize("passphrase", ["correct horse battery staple", "q8-Zt2_vLw0Xn5Rk"])
def test_one_that_cannot_is_taken(passphrase: str) -> None:
    ensure_unguessable(passphrase)
