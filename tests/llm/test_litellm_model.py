"""The optional LiteLLM SDK against the simulator, in a process of its own: its import is heavy and leaves threads."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="the extra deskhand[litellm] is not installed")

PROGRAM = """
    import asyncio, json, sys
    from deskhand.llm.litellm_model import LiteLLMModel
    from deskhand.llm.loop import AgentTask, ToolSpec, run_agent
    from deskhand.llm.errors import ModelError
    from deskhand.simulators.models import LlmSimulator, Reply

    KEY = "sk-litellm-secret-123"
    SCHEMA = {"type": "object", "properties": {"category": {"enum": ["access"]}}, "required": ["category"]}
    ARGS = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}

    async def main():
        async with LlmSimulator(api_key=KEY) as simulator:
            async def get(args):
                return "ticket " + args["id"]

            async def ask(name="openai/gpt-4o", key=KEY, base=None):
                model = LiteLLMModel(name, api_key=key, api_base=base or simulator.base_url, timeout=20)
                task = AgentTask("Be brief.", "Which?", SCHEMA, tools=[ToolSpec("get", "Read", ARGS, get)])
                try:
                    done = await run_agent(task, model, None)
                except ModelError as error:
                    return {"error": type(error).__name__, "detail": error.detail, "retryable": error.retryable}
                return {"output": done.output, "cost": str(done.cost_usd), "calls": done.usage.tool_calls}

            simulator.replies.extend([Reply(tool_calls=(("get", {"id": "7"}),)), Reply(content={"category": "access"})])
            out = {"ok": await ask()}
            out["tool_result"] = simulator.chats[1].body["messages"][-1]["content"]
            out["wrong_key"] = await ask(key="sk-wrong")
            out["unrouted"] = await ask(name="claude-3-5-sonnet")
            simulator.replies.append(Reply(status=429, error={"message": "slow down"}))
            out["limited"] = await ask()
        out["dead"] = await ask(base="http://127.0.0.1:9/v1")
        print("RESULT " + json.dumps(out))

    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROGRAM)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    assert line is not None, done.stdout + done.stderr
    assert "Give Feedback" not in done.stdout  # LiteLLM's own chatter
    return json.loads(line.removeprefix("RESULT "))


def test_tools_output_and_cost(results: dict[str, Any]) -> None:
    assert results["ok"]["output"] == {"category": "access"}
    assert results["ok"]["calls"] == 1
    assert float(results["ok"]["cost"]) > 0
    assert results["tool_result"] == "ticket 7"


@pytest.mark.parametrize(
    ("case", "error", "retryable"),
    [
        ("wrong_key", "ModelAuthError", False),
        ("unrouted", "UnknownModelError", False),
        ("limited", "ModelRateLimitedError", True),
        ("dead", "ModelUnavailableError", True),
    ],
)
def test_faults_are_named_by_our_rules(results: dict[str, Any], case: str, error: str, retryable: bool) -> None:
    assert (results[case]["error"], results[case]["retryable"]) == (error, retryable)
    assert "sk-litellm-secret-123" not in results[case]["detail"]
