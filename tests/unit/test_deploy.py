"""The files of deployment name only what is there (settings, commands, ports, pages), and give nobody too much."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi.routing import APIRoute

from deskhand import __version__
from deskhand.cli import COMMANDS
from deskhand.engine.runner import Runner
from deskhand.kit.db.roles import role_statements
from deskhand.operations import health
from deskhand.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/deskhand"
PAGES = [ROOT / "docs/howto" / name for name in ("deploy.md", "install.md")]
FILES = [*sorted(path for path in DEPLOY.rglob("*") if path.is_file()), *PAGES]
SETTINGS = {f"DESKHAND_{name.upper()}" for name in Settings.model_fields}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("${IMAGE")}
UNITS = {path.stem: path.read_text().splitlines() for path in sorted((DEPLOY / "systemd").glob("*.service"))}
DRAIN = inspect.signature(Runner).parameters["drain_timeout"].default


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_command(words: list[str]) -> bool:
    """Whether ``deskhand`` has it; the options behind are not looked at."""
    names = [word for word in words if not word.startswith("-")]
    if not names or names[0] not in COMMANDS:
        return not names and words in (["--version"], ["--help"])
    if len(names) == 1:
        return True
    app = import_module(f"deskhand.cli.{COMMANDS[names[0]][0]}").app
    group = typer.main.get_group(app).get_command(typer.Context(typer.main.get_group(app)), names[0])
    # What follows a command without commands of its own is what it works on.
    return names[1] in getattr(group, "commands", names)


def started() -> dict[str, list[str]]:
    """What the files start, by where."""
    found = {f"compose {name}": one["command"] for name, one in OURS.items()}
    for template in sorted((CHART / "templates").glob("*.yaml")):
        for number, words in enumerate(re.findall(r"(?m)^ *args: \[(.*)\]$", template.read_text())):
            found[f"{template.name} {number}"] = words.split(", ")
    for name, lines in UNITS.items():
        (line,) = (one for one in lines if one.startswith("ExecStart="))
        program, *words = shlex.split(line.removeprefix("ExecStart="))
        assert program == "/opt/deskhand/bin/deskhand"
        found[name] = words
    (default,) = re.findall(r"(?m)^CMD (.*)$", (DEPLOY / "Dockerfile").read_text())
    return found | {"Dockerfile": json.loads(default)}


STARTED = started()
NIGHTLY = ("deskhand-backup", "deskhand-backup-verify")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_setting_is_one(path: Path) -> None:
    named = set(re.findall(r"\bDESKHAND_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")))
    assert named - SETTINGS == set()


@pytest.mark.parametrize("where", STARTED)
def test_every_command_is_one(where: str) -> None:
    assert is_command(STARTED[where])


def test_what_is_started_are_the_three_parts() -> None:
    assert len(STARTED) == 3 + 3 + 3 + 1 + 2
    assert {" ".join(words[:2]) for name, words in STARTED.items() if name not in NIGHTLY} == {
        "db upgrade",
        "serve",
        "worker",
    }


def test_the_nightly_units_back_up_and_prove_what_was_backed_up_last() -> None:
    backup, verify = (STARTED[name] for name in NIGHTLY)
    assert backup[0] == "backup"
    assert verify[0] == "restore"
    assert "--verify" in verify
    assert backup[1] == verify[1], "the folder that the one writes into is the one that the other reads"
    for name in NIGHTLY:
        assert "OnCalendar=" in (DEPLOY / f"systemd/{name}.timer").read_text()
        assert any(line.startswith("LoadCredential=backup.key:") for line in UNITS[name])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_people_are_told_is_one(page: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    told = re.findall(r"(?m)(?:^|api )deskhand ([a-z-]+(?: [a-z-]+)*)", "\n".join(blocks))
    told += re.findall(r"`deskhand ([a-z -]+)`", page.read_text())
    assert len(told) > 3
    assert [words for words in told if not is_command(words.split())] == []


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"make ([a-z-]+)", "".join(page.read_text() for page in PAGES))))
)
def test_every_target_is_one(target: str) -> None:
    assert f"\n{target}: " in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(
    ("words", "there"), [(["serve"], True), (["db", "upgrade"], True), (["db", "up"], False), (["srve"], False)]
)
def test_a_slip_in_a_command_is_seen(words: list[str], there: bool) -> None:
    assert is_command(words) is there


@pytest.mark.parametrize("part", ["postgres", *OURS])
def test_compose_asks_for_what_the_example_names(part: str) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", json.dumps(COMPOSE["services"][part]))) - {"IMAGE"}
    offered = set(re.findall(r"(?m)^([A-Z_]+)=", (DEPLOY / "compose/env.example").read_text()))
    assert asked <= offered


def logins() -> dict[str, set[str]]:
    """Who is given which login, by what it is called in the settings."""
    files = {"deskhand.env": {"DATABASE_URL"}, "api.env": {"PLATFORM_URL"}, "owner.env": {"OWNER_URL"}}
    secrets = {"app": {"DATABASE_URL"}, "platform": {"PLATFORM_URL"}, "owner": {"OWNER_URL"}}
    given = {
        f"compose {name}": {re.sub(r"DESKHAND_(DATABASE_(?=[PO]))?", "", key) for key in one["environment"]}
        for name, one in OURS.items()
    }
    for name in ("api", "worker", "migration"):
        referred = re.findall(r"\.Values\.secrets\.(\w+)", (CHART / f"templates/{name}.yaml").read_text())
        given[f"chart {name}"] = set().union(*(secrets[one] for one in referred))
    for name, lines in UNITS.items():
        read = [line.rsplit("/", 1)[1] for line in lines if line.startswith("EnvironmentFile=")]
        given[name] = set().union(*(files[one] for one in read))
    return given


@pytest.mark.parametrize(("who", "given"), logins().items())
def test_a_part_has_the_logins_it_needs_and_no_other(who: str, given: set[str]) -> None:
    more = {"worker": set(), "api": {"PLATFORM_URL"}, "migrat": {"OWNER_URL"}, "backup": {"OWNER_URL"}}
    (expected,) = (logins for part, logins in more.items() if part in who)
    assert given == {"DATABASE_URL"} | expected


def test_the_databases_roles_are_those_that_a_migration_asks_for() -> None:
    script = (DEPLOY / "compose/roles.sh").read_text()
    statements = re.findall(r"(?m)^((?:CREATE|GRANT|ALTER DATABASE|REVOKE) .*);$", script)
    assert statements == role_statements("deskhand", server_version=18)
    assert re.search(r"postgres:(\d+)", COMPOSE["services"]["postgres"]["image"])[1] == "18"  # type: ignore[index]


@pytest.mark.parametrize("name", OURS)
def test_a_container_may_do_little(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service, "the image's own, which is not root"


def test_the_image_is_not_root_and_has_a_health_check() -> None:
    last = (DEPLOY / "Dockerfile").read_text().rsplit("\nFROM ", 1)[1]
    assert re.search(r"(?m)^USER [1-9]\d*:[1-9]\d*$", last)
    assert re.search(r'(?m)^ENTRYPOINT \["/usr/bin/tini", "--", "/opt/deskhand/bin/deskhand"\]$', last)
    assert "\nHEALTHCHECK " in last


def test_ports_are_the_images() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    api, worker = (re.search(rf"DESKHAND_{name}=(\d+)", image)[1] for name in ("PORT", "WORKER_METRICS_PORT"))  # type: ignore[index]
    assert re.search(rf"(?m)^EXPOSE {api} {worker}$", image)
    chart = "".join(path.read_text() for path in sorted((CHART / "templates").glob("*.yaml")))
    assert set(re.findall(r"containerPort: (\d+)", chart)) == {api, worker}
    assert f"ternary {api} {worker} (eq $part" in chart
    assert COMPOSE["services"]["api"]["ports"] == [f"127.0.0.1:{api}:{api}"]
    assert f"127.0.0.1:{worker}/healthz" in json.dumps(COMPOSE["services"]["worker"]["healthcheck"])


def test_pages_that_are_asked_exist() -> None:
    asked = {
        path for file in FILES for path in re.findall(r"(?:path: |0\.1:\d{4})(/\w+)", file.read_text(encoding="utf-8"))
    }
    assert asked == {"/healthz", "/readyz", "/metrics"}
    assert {route.path for route in health.router.routes if isinstance(route, APIRoute)} == asked
    worker = (ROOT / "src/deskhand/engine/figures.py").read_text()
    assert '"/healthz"' in worker
    assert "/readyz" not in (CHART / "templates/worker.yaml").read_text(), "a worker has none"


def test_a_worker_is_given_time_to_let_runs_finish() -> None:
    chart = (CHART / "templates/worker.yaml").read_text()
    (unit,) = (line for line in UNITS["deskhand-worker@"] if line.startswith("TimeoutStopSec="))
    for given in (
        re.search(r"terminationGracePeriodSeconds: (\d+)", chart)[1],  # type: ignore[index]
        OURS["worker"]["stop_grace_period"].removesuffix("s"),
        unit.removeprefix("TimeoutStopSec=").removesuffix("s"),
    ):
        assert int(given) >= DRAIN + 10


def test_versions_are_the_products() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {chart["version"], chart["appVersion"], declared} == {__version__}
    assert {one["image"] for one in OURS.values()} == {f"${{IMAGE:-deskhand:{__version__}}}"}


def test_the_chart_keeps_secrets_out_of_its_values() -> None:
    names = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["propertyNames"]
    secret = {
        f"DESKHAND_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secret
    assert {name for name in SETTINGS if re.search(names["not"]["pattern"], name)} == secret


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_may_do_little(unit: str) -> None:
    wanted = {
        "User=deskhand",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
    }
    wanted |= {"PrivateTmp=yes", "PrivateDevices=yes", "RestrictNamespaces=yes", "SystemCallFilter=@system-service"}
    assert wanted - set(UNITS[unit]) == set()


def test_the_queue_is_counted_by_the_function_that_a_dba_makes() -> None:
    (query,) = re.findall(r"query: SELECT (\S+)\(\)", (CHART / "templates/worker.yaml").read_text())
    assert f"CREATE FUNCTION {query}() RETURNS bigint" in (DEPLOY / "scaler.sql").read_text()


def test_the_image_is_given_what_it_copies_and_nothing_else() -> None:
    allowed = [
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    copied = re.findall(r"(?m)^COPY (?!--from)(\S+) ", (DEPLOY / "Dockerfile").read_text())
    assert sorted(copied) == sorted(allowed)
    assert not [
        name for name in ("deploy/compose/deskhand.env", "deploy/compose/.env") for one in allowed if fnmatch(name, one)
    ]
    assert all((ROOT / name).is_file() for name in copied if not name.startswith("dist/"))
