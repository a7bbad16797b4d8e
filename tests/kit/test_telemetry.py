"""The figures a scraper reads are the ones that were recorded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deskhand.kit.telemetry import MOST_MODELS, Telemetry


def figures(telemetry: Telemetry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, content_type = telemetry.render()
    assert content_type.startswith("text/plain")
    families = text_string_to_metric_families(body.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def figure(telemetry: Telemetry, name: str, **labels: str) -> float:
    return figures(telemetry)[name, frozenset(labels.items())]


def test_deliveries_by_outcome_and_their_latency() -> None:
    telemetry = Telemetry()
    telemetry.delivery("accepted", tool_type="jira")
    telemetry.delivery("accepted", tool_type="jira")
    with telemetry.accepting():
        pass
    telemetry.delivery("rejected")
    name = "deskhand_webhook_deliveries_total"
    assert figure(telemetry, name, outcome="accepted", tool_type="jira") == 2
    assert figure(telemetry, name, outcome="rejected", tool_type="") == 1
    assert figure(telemetry, "deskhand_webhook_accept_seconds_count") == 1


def test_running_goes_back_down_when_a_run_fails() -> None:
    telemetry = Telemetry()

    def failing_run() -> None:
        with telemetry.running(), telemetry.running():
            assert figure(telemetry, "deskhand_executions_running") == 2
            raise ValueError

    with pytest.raises(ValueError):
        failing_run()
    assert figure(telemetry, "deskhand_executions_running") == 0


def test_executions_steps_and_queue() -> None:
    telemetry = Telemetry()
    telemetry.execution("completed", seconds=12.5)
    telemetry.execution("failed")
    telemetry.step("model", outcome="ok", seconds=3.0)
    telemetry.queue_depth({"queued": 7, "parked": 2})
    telemetry.queue_depth({"queued": 5, "parked": 0})
    assert figure(telemetry, "deskhand_executions_total", status="completed") == 1
    assert figure(telemetry, "deskhand_execution_seconds_sum") == 12.5
    assert figure(telemetry, "deskhand_step_seconds_sum", kind="model", outcome="ok") == 3.0
    assert figure(telemetry, "deskhand_queue_depth", state="queued") == 5
    telemetry.queue_depth({})
    assert ("deskhand_queue_depth", frozenset({("state", "queued")})) not in figures(telemetry)


def test_tokens_and_cost_where_a_price_is_known() -> None:
    telemetry = Telemetry()
    telemetry.model_use("gpt", tokens_in=100, tokens_out=20, cost_usd=Decimal("0.25"))
    telemetry.model_use("local", tokens_in=10, tokens_out=2)
    assert figure(telemetry, "deskhand_model_tokens_total", model="gpt", direction="in") == 100
    assert figure(telemetry, "deskhand_model_cost_usd_total", model="gpt") == 0.25
    assert ("deskhand_model_cost_usd_total", frozenset({("model", "local")})) not in figures(telemetry)
    telemetry.model_fallback("timeout")
    assert figure(telemetry, "deskhand_model_fallbacks_total", reason="timeout") == 1


def test_a_gateway_cannot_make_series_without_end() -> None:
    telemetry = Telemetry()
    for number in range(MOST_MODELS + 50):
        telemetry.model_use(f"model-{number}", tokens_in=1, tokens_out=0)
    models = {dict(labels)["model"] for name, labels in figures(telemetry) if name == "deskhand_model_tokens_total"}
    assert len(models) == MOST_MODELS + 1
    assert figure(telemetry, "deskhand_model_tokens_total", model="other", direction="in") == 50


def test_two_processes_worth_of_telemetry_do_not_share_figures() -> None:
    first, second = Telemetry(), Telemetry()
    first.execution("completed")
    assert ("deskhand_executions_total", frozenset({("status", "completed")})) not in figures(second)


def test_a_scraper_may_ask_for_open_metrics() -> None:
    body, content_type = Telemetry().render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
