"""The alerts ask for figures that the product has, with labels that they have, and each leads to what to do."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from deskhand.cli import COMMANDS
from deskhand.kit.telemetry import Telemetry
from deskhand.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/prometheus"
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
SELECTED = re.compile(r"\b(deskhand[a-z_:0-9]*)(\{[^}]*\})?")


@pytest.fixture(scope="module")
def samples() -> dict[str, list[dict[str, str]]]:
    """Every series that the product can show, each fed once, by name with its labels."""
    telemetry = Telemetry(CollectorRegistry())
    telemetry.delivery("accepted", tool_type="jira")
    telemetry.break_glass("success")
    telemetry.break_glass("denied")
    telemetry.loop_stall(0.3)
    with telemetry.accepting(), telemetry.running():
        telemetry.execution("completed", seconds=3)
        telemetry.execution("failed", seconds=3)
    for outcome in ("ok", "error", "replayed"):
        telemetry.step("model", outcome=outcome, seconds=1)
    telemetry.model_use("m", tokens_in=1, tokens_out=1, cost_usd=Decimal(1))
    telemetry.queue_depth({"queued": 1, "parked": 0})
    text, _ = telemetry.render()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def meets(selector: str, labels: dict[str, str]) -> bool:
    """Whether a selector such as ``{kind="model", le=~"60"}`` takes a series with these labels."""
    wanted = re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector)
    assert wanted or not selector
    for name, how, value in wanted:
        have = labels.get(name)
        plain = value.replace("\\\\", "\\")
        fits = {
            "=": have == value,
            "!=": have is not None and have != value,
            "=~": bool(re.fullmatch(plain, have or "")),
        }
        if not fits[how]:
            return False
    return True


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any], samples: dict[str, list[dict[str, str]]]) -> None:
    asked = SELECTED.findall(rule["expr"])
    assert asked
    for name, selector in asked:
        assert name in RECORDED or any(meets(selector, labels) for labels in samples.get(name, [])), f"{name}{selector}"


@pytest.mark.parametrize(
    ("selector", "fits"),
    [('{kind="model"}', True), ('{kind="modl"}', False), ('{le=~"60(\\\\.0)?"}', True), ('{kind!="model"}', False)],
)
def test_a_slip_in_a_label_is_seen(selector: str, fits: bool) -> None:
    assert meets(selector, {"kind": "model", "le": "60.0"}) is fits


def test_every_recorded_figure_is_used_and_every_used_one_recorded() -> None:
    used = {name for rule in ALERTS.values() for name, _ in SELECTED.findall(rule["expr"]) if ":" in name}
    assert used == RECORDED


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_and_leads_to_its_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    page = (ROOT / rule["annotations"]["runbook"]).read_text()
    assert f"Alert `{alert}`. " in page
    assert [part for part in ("What it means", "Look", "Do") if f"\n## {part}\n" not in page] == []


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_seen_to_fire_and_to_be_silent(alert: str) -> None:
    tried = (FOLDER / "rules.test.yaml").read_text()
    assert f'{{alertname="{alert}"}}' in tried
    assert f"{{alertname: {alert}, eval_time: 390m, exp_alerts: []}}" in tried


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {f"docs/runbooks/{page.name}" for page in RUNBOOKS} == {
        rule["annotations"]["runbook"] for rule in ALERTS.values()
    }


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_names_what_there_is(page: Path, samples: dict[str, list[dict[str, str]]]) -> None:
    text = page.read_text()
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in samples}
    named = set(re.findall(r"`(deskhand_\w+)", text))
    assert {name for name in named if re.sub(r"_total$", "", name) not in families} == set()
    settings = {f"DESKHAND_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"DESKHAND_\w+", text)) <= settings
    assert set(re.findall(r"`deskhand ([a-z-]+)", text)) <= COMMANDS.keys()
