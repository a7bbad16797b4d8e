"""Everything an agent lacks is said at once; a webhook secret is replaced without losing a delivery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.agents.readiness import AgentModels, missing_for_activation, model_faults
from deskhand.agents.webhook_secrets import RotateSecret, rotate
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.kit.crypto import SecretBox

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
BOX = SecretBox([Fernet.generate_key().decode()])


def _trigger(kind: str = "webhook", **changes: Any) -> AgentTrigger:
    return AgentTrigger(id=uuid4(), tenant_id="acme", trigger_type=kind, created_at=NOW, **changes)


def _agent(**changes: Any) -> Agent:
    values: dict[str, Any] = {
        "id": uuid4(),
        "tenant_id": "acme",
        "system_prompt": "You help the service desk with short notes.",
        "llm_config": {"model": "gpt-4"},
        "triggers": [_trigger(hmac_secret=BOX.encrypt("old"))],
        "tools": [AgentTool(tool_id="jira", tenant_id="acme")],
    }
    return Agent(**{**values, **changes})


def _missing(agent: Agent, *, connected: tuple[str, ...] = ("jira",), active: bool = True) -> list[str]:
    faults = missing_for_activation(
        agent, tenant_is_active=active, connected=connected, models=AgentModels(("house-model",))
    )
    return [fault.pointer for fault in faults]


def test_a_complete_agent_lacks_nothing() -> None:
    assert _missing(_agent()) == []
    assert _missing(_agent(llm_config={"model": "house-model"})) == []


def test_an_empty_agent_is_told_everything_at_once() -> None:
    agent = _agent(system_prompt="   ", llm_config=None, triggers=[], tools=[])
    assert _missing(agent, active=False) == ["", "/system_prompt", "/llm_config/model", "/triggers", "/tool_ids"]


@pytest.mark.parametrize("config", [{}, {"model": ""}, {"model": 5}, {"model": "gpt-99-turbo-nobody"}])
def test_a_model_has_to_be_one_that_can_be_asked(config: dict[str, Any]) -> None:
    assert _missing(_agent(llm_config=config)) == ["/llm_config/model"]


def test_a_filter_that_names_a_desk_which_the_agent_has_not_is_named_by_its_place() -> None:
    good = _trigger(event_filter={"desk": ["Jira"]})
    wrong = _trigger(event_filter={"desk": ["jira", "jria"], "status": ["open"]})
    agent = _agent(triggers=[good, wrong])
    (place,) = _missing(agent)
    number = [trigger.id for trigger in sorted(agent.triggers, key=lambda one: str(one.id))].index(wrong.id)
    assert place == f"/triggers/{number}/event_filter/desk/1"


def test_a_schedule_whose_zone_is_gone_is_named_by_its_place() -> None:
    gone = _trigger("schedule", schedule_cron="0 9 * * *", schedule_timezone="Mars/Olympus")
    good = _trigger("schedule", schedule_cron="0 9 * * *", schedule_timezone="Europe/Berlin")
    good.created_at = NOW - timedelta(days=1)
    assert _missing(_agent(triggers=[gone, good])) == ["/triggers/1"]


@pytest.mark.parametrize(
    ("tools", "connected", "missing"),
    [
        (("jira", "zendesk"), ("zendesk",), []),
        (("jira",), (), ["/tool_ids"]),
        (("knowledge",), (), []),  # no desk at all: nothing to connect
        ((), ("jira",), ["/tool_ids"]),
    ],
)
def test_one_connected_desk_is_enough(tools: tuple[str, ...], connected: tuple[str, ...], missing: list[str]) -> None:
    agent = _agent(tools=[AgentTool(tool_id=name, tenant_id="acme") for name in tools])
    assert _missing(agent, connected=connected) == missing


def _rotated(agent: Agent, *, grace: int = 60, trigger_id: UUID | None = None) -> tuple[AgentTrigger, str]:
    request = RotateSecret(grace_seconds=grace, trigger_id=trigger_id)
    return rotate(agent, request, secrets=BOX, clock=lambda: NOW)


def test_for_a_while_both_secrets_count_and_the_new_one_is_new() -> None:
    trigger, secret = _rotated(_agent())
    assert BOX.decrypt(str(trigger.hmac_secret)) == secret != "old"
    assert BOX.decrypt(str(trigger.previous_hmac_secret)) == "old"
    assert trigger.previous_hmac_secret_expires_at == NOW + timedelta(seconds=60)


def test_a_secret_that_leaked_ends_now() -> None:
    trigger, _ = _rotated(_agent(), grace=0)
    assert trigger.previous_hmac_secret is None
    assert trigger.previous_hmac_secret_expires_at is None


def test_of_two_rotations_the_first_secret_ends_with_the_second() -> None:
    agent = _agent()
    _, first = _rotated(agent)
    trigger, _ = _rotated(agent)
    assert BOX.decrypt(str(trigger.previous_hmac_secret)) == first


def test_which_trigger_is_meant_has_to_be_clear() -> None:
    with pytest.raises(ConflictError):
        _rotated(_agent(triggers=[_trigger("schedule")]))
    two = _agent(triggers=[_trigger(), _trigger(), _trigger("schedule")])
    with pytest.raises(InvalidInputError) as refused:
        _rotated(two)
    assert all(str(trigger.id) in refused.value.detail for trigger in two.triggers[:2])
    assert str(two.triggers[2].id) not in refused.value.detail
    with pytest.raises(InvalidInputError):
        _rotated(_agent(), trigger_id=uuid4())
    chosen, _ = _rotated(two, trigger_id=two.triggers[1].id)
    assert chosen is two.triggers[1]


@pytest.mark.parametrize(
    ("config", "places"),
    [
        ({"model": "gpt-4", "connection": "house"}, []),
        ({"model": "gpt-4", "connection": "hause"}, ["/llm_config/connection"]),
        ({"model": "gpt-4", "fallbacks": [{"model": "house-model"}, {"model": "auto"}]}, []),
        (
            {"model": "gpt-4", "fallbacks": [{"model": "gpt-4"}, {"model": "gtp-4-turbo-x", "connection": "no"}]},
            ["/llm_config/fallbacks/1/model", "/llm_config/fallbacks/1/connection"],
        ),
        ({"model": "auto", "fallbacks": [{"model": "gpt-4"}]}, ["/llm_config/fallbacks"]),
        (
            {"provider": "embedded", "model": "x", "fallbacks": [{"model": "gpt-4"}]},
            ["/llm_config/model", "/llm_config/fallbacks"],
        ),
    ],
)
def test_every_model_of_a_chain_and_its_connection_are_looked_at(config: dict[str, Any], places: list[str]) -> None:
    known = AgentModels(("house-model",), ("installation", "house"))
    assert [fault.pointer for fault in model_faults(config, known)] == places
