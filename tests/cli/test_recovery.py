"""What ``deskhand backup`` and ``restore`` do around the database: keys, settings, names of files, questions."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.fernet import Fernet
from dotenv import dotenv_values
from pydantic import SecretStr
from rich.console import Console
from tests.support.recovery import NEWEST, OLDER, TENANT, manifest

from deskhand.cli import recovery
from deskhand.errors import ConfigurationError, ConflictError, DeskhandError, InvalidInputError
from deskhand.installation import KEYS_FILE, TENANT_KEY_FILE, split_keys
from deskhand.recovery.restore import Report
from deskhand.settings import Settings
from deskhand.ui.terminal import bars


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place in which nothing is set; its data directory does not exist yet."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("DESKHAND_"):
            monkeypatch.delenv(name)
    return tmp_path / "data"


# -- keys ------------------------------------------------------------------------------------------


def test_keys_are_placed_where_this_place_looks_for_them(bare: Path) -> None:
    with recovery._placed_keys(Settings(data_dir=bare), manifest()):
        assert split_keys((bare / KEYS_FILE).read_text().replace("\n", ",")) == (NEWEST, OLDER)
        assert (bare / TENANT_KEY_FILE).read_text() == TENANT
        assert {path.stat().st_mode & 0o777 for path in bare.iterdir()} == {0o600}
    assert sorted(path.name for path in bare.iterdir()) == sorted([KEYS_FILE, TENANT_KEY_FILE])


@pytest.mark.parametrize("failure", [ConflictError("not empty"), KeyboardInterrupt(), OSError(28, "full")])
def test_keys_are_taken_away_again_when_the_restore_fails(bare: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)), recovery._placed_keys(Settings(data_dir=bare), manifest()):
        raise failure
    assert list(bare.iterdir()) == [], "a second try finds the place as the first did"


def test_keys_that_were_there_before_stay_when_the_restore_fails(bare: Path) -> None:
    bare.mkdir()
    (bare / KEYS_FILE).write_text(f"{NEWEST},{OLDER}\n")
    with pytest.raises(ConflictError), recovery._placed_keys(Settings(data_dir=bare), manifest()):
        raise ConflictError("not empty")
    assert [path.name for path in bare.iterdir()] == [KEYS_FILE]
    assert (bare / KEYS_FILE).read_text() == f"{NEWEST},{OLDER}\n", "the same keys, however they are written"


@pytest.mark.parametrize("name", [KEYS_FILE, TENANT_KEY_FILE])
def test_a_folder_with_other_keys_is_somebodys(bare: Path, name: str) -> None:
    bare.mkdir()
    (bare / name).write_text(Fernet.generate_key().decode())
    before = (bare / name).read_text()
    with (
        pytest.raises(ConflictError, match=rf"{name} holds other keys.*DESKHAND_DATA_DIR"),
        recovery._placed_keys(Settings(data_dir=bare), manifest()),
    ):
        pytest.fail("nothing may be restored here")
    assert {path.name: path.read_text() for path in bare.iterdir()} == {name: before}


def test_a_ring_in_the_environment_must_hold_the_backups_keys(bare: Path) -> None:
    short = Settings(data_dir=bare, encryption_keys=SecretStr(NEWEST), tenant_key=SecretStr(TENANT))
    with (
        pytest.raises(ConfigurationError, match="DESKHAND_ENCRYPTION_KEYS does not hold the backup's keys"),
        recovery._placed_keys(short, manifest()),
    ):
        pytest.fail("no stored secret of the older key could be read")
    whole = Settings(data_dir=bare, encryption_keys=SecretStr(f"x, {OLDER} ,{NEWEST}"), tenant_key=SecretStr("other"))
    with recovery._placed_keys(whole, manifest()):
        assert not bare.exists(), "what the environment says is not written down"


def test_a_backup_of_an_installation_without_a_tenant_key_places_none(bare: Path) -> None:
    with recovery._placed_keys(Settings(data_dir=bare), manifest(tenant_keys=[])):
        assert [path.name for path in bare.iterdir()] == [KEYS_FILE]


# -- settings --------------------------------------------------------------------------------------


def test_what_was_set_is_kept_as_it_would_be_written_and_defaults_are_not(bare: Path) -> None:
    settings = Settings(
        data_dir=bare,
        port=8001,
        llm_api_key=SecretStr("sk-secret"),
        mcp_commands={"time": ["/usr/bin/mcp-time", "--utc"]},
        encryption_keys=SecretStr(NEWEST),
        tenant_key=SecretStr(TENANT),
        allow_private_addresses=True,
    )
    kept = recovery._settings_text(settings)
    assert kept == {
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "True",
        "DESKHAND_DATA_DIR": str(bare),
        "DESKHAND_LLM_API_KEY": "sk-secret",
        "DESKHAND_MCP_COMMANDS": '{"time": ["/usr/bin/mcp-time", "--utc"]}',
        "DESKHAND_PORT": "8001",
    }
    assert NEWEST not in str(kept), "keys have a place of their own in a backup"


def test_every_setting_can_be_written_down_and_read_again(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in recovery._settings_text(
        Settings(data_dir=bare, port=8001, mcp_commands={"a": ["/bin/a"]}, llm_api_key=SecretStr("s"), run_timeout=3.5)
    ).items():
        monkeypatch.setenv(name, text)
    again = Settings()
    assert (again.port, again.mcp_commands, again.run_timeout, again.data_dir) == (8001, {"a": ["/bin/a"]}, 3.5, bare)
    assert again.llm_api_key is not None
    assert again.llm_api_key.get_secret_value() == "s"


@pytest.mark.parametrize("text", ["plain", "it's", "back\\slash", 'say "so"', "a # b", "two\nlines", "", " blank "])
def test_the_file_of_old_settings_is_read_as_it_was(bare: Path, text: str) -> None:
    recovery._say_what_is_left(Settings(data_dir=bare), manifest(settings={"DESKHAND_LLM_API_KEY": text}))
    file = bare / "restored.env"
    assert dotenv_values(file, interpolate=False) == {"DESKHAND_LLM_API_KEY": text}
    assert file.read_text().startswith("# "), "it says what it is"
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_old_settings_no_file_is_left(bare: Path) -> None:
    recovery._say_what_is_left(Settings(data_dir=bare), manifest())
    assert not bare.exists()


# -- files and questions ---------------------------------------------------------------------------


def test_the_newest_backup_of_a_folder_is_taken(tmp_path: Path) -> None:
    for name, age in (("b.backup", 100), ("a.backup", 5), ("c.backup", 50), ("newer.txt", 0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_700_000_000 - age, 1_700_000_000 - age))
    assert recovery._newest(tmp_path).name == "a.backup"
    os.utime(tmp_path / "b.backup", (1_700_000_000 - 5, 1_700_000_000 - 5))
    assert recovery._newest(tmp_path).name == "b.backup", "of one second, by the name, which is a date"


def test_a_folder_without_a_backup_is_told(tmp_path: Path) -> None:
    (tmp_path / ".monday.backup-x1").touch()
    with pytest.raises(InvalidInputError, match="no backup"):
        recovery._newest(tmp_path)


@pytest.mark.parametrize("written", ["the key", "the key\n", "  the key \r\n"])
def test_a_key_file_is_its_text(tmp_path: Path, written: str) -> None:
    file = tmp_path / "key"
    file.write_text(written)
    assert recovery.passphrase_of(file, twice=True) == "the key"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_key_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="cannot be read as a key"):
        recovery.passphrase_of(file, twice=False)


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("typed blindly\n"))
    with pytest.raises(InvalidInputError, match="--key-file"):
        recovery.passphrase_of(None, twice=True)


@pytest.mark.parametrize("twice", [True, False])
def test_at_a_terminal_it_is_asked_for_unseen_and_twice_where_it_is_new(
    monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    asked: dict[str, Any] = {}

    def prompt(words: str, **options: Any) -> str:
        asked.update(options, words=words)
        return "what somebody typed"

    monkeypatch.setattr("sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda _self: True})())
    monkeypatch.setattr(typer, "prompt", prompt)
    assert recovery.passphrase_of(None, twice=twice) == "what somebody typed"
    assert asked == {"words": "Passphrase", "hide_input": True, "confirmation_prompt": twice}


# -- what is shown ---------------------------------------------------------------------------------


def test_progress_counts_up_to_its_end_and_says_bytes_as_people_read_them() -> None:
    display = bars(Console(file=io.StringIO()))
    share = recovery._share(display, "counting")
    grow = recovery._bytes(display, "written")
    known = recovery._bytes(display, "read", total=4_000)
    share(0.5)
    share(1.0)
    for count in (1_000, 2_500_000):
        grow(count)
    known(4_000)
    counting, written, read = display.tasks
    assert (counting.completed, counting.finished) == (1.0, True)
    assert written.description == "written 2.5 MB"
    assert not written.finished, "nobody knows how much there will be"
    assert (read.description, read.finished) == ("read 4.0 kB", True)


def test_a_restore_that_is_not_the_same_is_an_error_with_every_fault() -> None:
    good = Report(differences=[], chains=2, broken=[], tenancy=[], secrets=3, locked=0)
    recovery._tell(good)
    bad = Report(differences=["table agents is missing"], chains=2, broken=["x"], tenancy=["y"], secrets=0, locked=1)
    with pytest.raises(DeskhandError) as raised:
        recovery._tell(bad)
    for words in ("agents is missing", "x;", "y;", "1 stored secrets"):
        assert words in raised.value.detail
