"""What of files needs no database: names and order of an export, places of faults, which trigger is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from deskhand.agents.documents import TriggerDocument
from deskhand.agents.models import AgentTrigger
from deskhand.agents.templates.endpoints import TemplateView
from deskhand.configuration.folder import MOST_FILES, files_of, read_folder, yaml_files
from deskhand.configuration.places import fault_at
from deskhand.configuration.service import pair
from deskhand.configuration.values import Action, NewSecret, Plan, Step
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.kit.yaml import read_yaml

CONTENT: dict[str, Any] = {"name": "x", "description": None, "tools": {}}


def named(*names: str) -> list[dict[str, Any]]:
    return [{**CONTENT, "name": name} for name in names]


def test_files_have_names_that_follow_from_the_agents_alone() -> None:
    names = ["Tür & Tor", "tur tor", "日本", "!!!", "a" * 200, "../../etc/passwd", "con"]
    files = files_of(named(*names))
    assert list(files) == list(files_of(named(*reversed(names))))
    assert set(files) == {
        *("agent.yaml", "agent-2.yaml", "etc-passwd.yaml", "tur-tor.yaml", "tur-tor-2.yaml", "con.yaml"),
        f"{'a' * 60}.yaml",
    }
    assert "description" not in files["con.yaml"]


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConflictError, match="Several agents are called 'b'"):
        files_of(named("a", "b", "b"))


def test_only_yaml_that_is_not_hidden_is_read_in_one_order(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "sub/c.yaml", ".git/d.yaml", "sub/.e.yaml", "f.json", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x: 1\n")
    assert [path.relative_to(tmp_path).as_posix() for path in yaml_files(tmp_path)] == ["a.yaml", "b.yml", "sub/c.yaml"]


def test_every_file_at_fault_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1\n")
    (tmp_path / "b.yaml").write_text("kind: Agent\nkind: Agent\n")
    (tmp_path / "c.yaml").write_bytes(b"x" * 1_100_000)
    with pytest.raises(InvalidInputError) as refused:
        read_folder(tmp_path)
    told = [f"{fault.pointer}: {fault.detail}" for fault in refused.value.errors]
    assert told[0].startswith("a.yaml, line 1: the file: ")
    assert told[1] == "b.yaml, line 2: the key 'kind' stands twice, first in line 1"
    assert told[2].startswith("c.yaml: it cannot be read: it is larger than ")
    assert len(told) == 3


def test_too_many_files_are_refused_unread(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(InvalidInputError, match="1001 files"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (("triggers", 1, "schedule_cron"), ("f.yaml, line 5", "triggers.1.schedule_cron: is wrong")),
        (("triggers", 0, "webhook", "missing"), ("f.yaml, line 3", "triggers.0: is wrong")),
        (("name",), ("f.yaml, line 1", "name: is wrong")),
        (("status",), ("f.yaml, line 1", "status: is wrong")),
        ((), ("f.yaml, line 1", "the file: is wrong")),
    ],
)
def test_a_fault_is_told_at_its_line(place: tuple[str | int, ...], told: tuple[str, str]) -> None:
    yaml = read_yaml(
        "name: a\ntriggers:\n  - trigger_type: webhook\n  - trigger_type: schedule\n    schedule_cron: x\n"
    )
    fault = fault_at("f.yaml", yaml, place, "is wrong")
    assert (fault.pointer, fault.detail) == told


def stored(cron: str | None = None) -> AgentTrigger:
    kind = "schedule" if cron else "webhook"
    return AgentTrigger(
        id=uuid4(), trigger_type=kind, schedule_cron=cron, schedule_timezone="UTC", misfire_policy="latest",
        misfire_max_age_seconds=3600, is_paused=False, payload_schema=None,
    )  # fmt: skip


def written(cron: str | None = None, **more: Any) -> TriggerDocument:
    kind = {"trigger_type": "schedule", "schedule_cron": cron} if cron else {"trigger_type": "webhook"}
    return TriggerDocument.model_validate({**kind, **more})


def test_a_trigger_of_a_file_is_the_stored_one_that_says_the_same_else_one_of_its_kind() -> None:
    nine, ten, hook = stored("0 9 * * *"), stored("0 10 * * *"), stored()
    assert pair([written("0 10 * * *"), written(), written("0 9 * * *")], [nine, ten, hook]) == [ten, hook, nine]
    moved = written("0 9 * * *", schedule_timezone="Asia/Tokyo")
    assert pair([written("0 8 * * *"), moved], [nine]) == [nine, None]
    assert pair([moved, written("0 8 * * *")], [ten, nine]) == [nine, ten]
    assert pair([written(), written()], [hook, nine]) == [hook, None]
    assert pair([], [nine]) == []


def test_a_plan_is_empty_if_it_changes_nothing_and_shows_no_secret() -> None:
    same, left = Step(action=Action.UNCHANGED, name="a"), Step(action=Action.LEFT, name="b")
    assert Plan(steps=(same, left)).is_empty
    secret = NewSecret(agent="a", webhook_url="/agents/1/webhook", secret="whsec_x")
    plan = Plan(steps=(same, Step(action=Action.DELETE, name="c")), secrets=(secret,))
    assert not plan.is_empty
    assert "whsec_x" not in repr(plan)
    assert plan.digest() == Plan(steps=plan.steps).digest()
    assert plan.digest() != Plan(steps=(same,)).digest()


def test_a_view_of_a_template_has_the_body_of_a_request() -> None:
    with pytest.raises(ValidationError):
        TemplateView.model_validate({"slug": "x", "name": "x", "description": None, "triggers": [], "outcome": "note"})
