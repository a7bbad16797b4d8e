"""A setting whose name is mistyped is named with the one that was meant, before its default does something else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.program import deskhand

from deskhand.settings import Settings, mistyped_variables

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DESKHAND_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_slip_in_any_setting_is_named_with_what_was_meant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slip = f"DESKHAND_{name[:1]}{name[2:]}"
    monkeypatch.setenv(slip, "1")
    monkeypatch.setenv(f"DESKHAND_{name}", "1")
    assert mistyped_variables() == [f"{slip} is no setting and is ignored; did you mean 'DESKHAND_{name}'?"]


@pytest.mark.parametrize("name", [*(f"DESKHAND_{one}" for one in NAMES), "DESKHAND_SIMULATOR_KEY", "DESKHAND_CHILD"])
def test_what_is_read_is_no_slip(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.lower() if name.endswith("T") else name, "1")
    monkeypatch.setenv("DESKHAND_OWN_THING_OF_SOMEBODY", "1")
    monkeypatch.setenv("OTHER_DATABSE_URL", "1")
    assert mistyped_variables() == []


def test_a_slip_in_the_file_counts_too(tmp_path: Path) -> None:
    (tmp_path / "deskhand.env").write_text("DESKHAND_LLM_BASEURL=http://gateway\nDESKHAND_PORT=8000\nPATH_TO=x\n")
    (sentence,) = mistyped_variables()
    assert "DESKHAND_LLM_BASEURL is no setting" in sentence
    assert "'DESKHAND_LLM_BASE_URL'" in sentence


def test_a_command_says_it_once_and_goes_on(tmp_path: Path) -> None:
    def listed(**more: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DESKHAND_DATABSE_URL": "postgresql://x", "COLUMNS": "300", **more}
        return deskhand("models", "list", environment=environment, directory=tmp_path)

    answer = listed()
    assert answer.returncode == 0, answer.stderr
    said = answer.stderr
    assert said.count("DESKHAND_DATABSE_URL is no setting and is ignored; did you mean 'DESKHAND_DATABASE_URL'?") == 1
    assert "postgresql://x" not in said
    assert "DATABSE" not in listed(DESKHAND_CHILD="1").stderr
