"""The one door: what a model is sent is masked, what it answers is restored, and the journal has what it saw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import ToolDefinition
from tests.llm.conftest import KEY
from tests.llm.memory_journal import Killed, MemoryJournal
from tests.llm.test_paid import Jar

import deskhand
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.masker import EXPLAINED, Masker
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.durability import MASKED, SENT_TO
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentOutcome, AgentTask, ToolSpec, run_agent
from deskhand.llm.masked import masker_of, shown_to_model
from deskhand.simulators.models import LlmSimulator, Reply

MAIL, NAME, PHONE = "anna@acme.test", "Anna Weber", "+49 89 1234567"
PROMPT = f'{NAME} <{MAIL}> wrote: call "{PHONE}"\nplease'
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 60}},
    "required": ["text"],
    "additionalProperties": False,
}
CANARIES = (MAIL, NAME, "Anna", "Weber", "1234567", "bob@acme.test")


def masker() -> Masker:
    made = Masker(frozenset(MaskKind), b"run")
    made.learn(NAME)
    return made


class Model:
    """A scripted gateway, with every word it was sent."""

    def __init__(self, simulator: LlmSimulator, *answers: Mapping[str, Any] | tuple[str, Mapping[str, Any]]) -> None:
        self.simulator = simulator
        self.answers = list(answers)
        self.masker = masker()
        simulator.script = self._reply

    def _reply(self, body: Mapping[str, Any]) -> Reply:
        answer = self.answers.pop(0)
        name, args = answer if isinstance(answer, tuple) else ("give_answer", answer)
        return Reply(tool_calls=((name, dict(args)),))

    @property
    def seen(self) -> str:
        return "\n".join(json.dumps(chat.body, ensure_ascii=False) for chat in self.simulator.chats)

    def word(self, value: str) -> str:
        return self.masker.mask(value)

    async def ask(
        self, journal: MemoryJournal | None = None, tools: list[ToolSpec] | None = None, **gateway: Any
    ) -> AgentOutcome:
        way = GatewaySettings(base_url=self.simulator.base_url, api_key=KEY, timeout=5.0, masker=self.masker)
        model = build_model({"model": "gpt-4", "max_tokens": 100}, replace(way, **gateway), HttpClientFactory())
        task = AgentTask(f"Help {NAME}.", PROMPT, SCHEMA, tools=tools or [])
        return await run_agent(task, model, journal)


def mailer(sent: list[Any], answer: Any = None) -> ToolSpec:
    async def handler(args: dict[str, Any]) -> Any:
        sent.append(args)
        return answer or {"sent_to": args["to"], "author": "Bob Marsh", "body": "bob@acme.test"}

    parameters = {"type": "object", "properties": {"to": {"type": "string", "enum": [MAIL, "bob@acme.test"]}}}
    return ToolSpec("send_mail", f"Write to {MAIL}", parameters, handler)


async def test_a_model_is_shown_placeholders_and_the_answer_has_the_values(simulator: LlmSimulator) -> None:
    model = Model(simulator)
    model.answers = [{"text": f"Ring {model.word(PHONE)} of {model.word(NAME)}"}]
    journal = MemoryJournal()
    outcome = await model.ask(journal)
    assert outcome.output == {"text": f"Ring {PHONE} of {NAME}"}
    assert not [one for one in CANARIES if one in model.seen]
    assert EXPLAINED in model.seen
    assert model.word(MAIL) in model.seen
    row = journal.rows["model#1"]
    trace = json.dumps(row.input) + str(row.output)
    assert not [one for one in CANARIES if one in trace]
    assert model.word(PHONE) in str(row.output)
    assert model.word(MAIL) in row.input["prompt"]
    assert row.input[MASKED] == {"mail": 1, "name": 1, "phone": 1}
    assert row.input[SENT_TO] == [{"connection": "installation", "host": "127.0.0.1", "is_local": False}]


async def test_a_tool_gets_the_true_value_and_its_answer_goes_back_masked(simulator: LlmSimulator) -> None:
    sent: list[Any] = []
    model = Model(simulator)
    model.answers = [("send_mail", {"to": model.word(MAIL)}), {"text": "done"}]
    await model.ask(MemoryJournal(), [mailer(sent)])
    assert sent == [{"to": MAIL}]
    # Neither the tools' descriptions nor what they allow, nor whom they name, show a value.
    assert not [one for one in (*CANARIES, "Bob", "Marsh") if one in model.seen]


@pytest.mark.parametrize("dies_before", ["send_mail", "model"])
async def test_a_resumed_run_knows_what_its_placeholders_stand_for(simulator: LlmSimulator, dies_before: str) -> None:
    sent: list[Any] = []
    first = Model(simulator)
    first.answers = [("send_mail", {"to": first.word(MAIL)}), {"text": f"mailed {first.word('bob@acme.test')}"}]
    journal = MemoryJournal(kill_before="send_mail", die_at="model#2" if dies_before == "model" else None)
    if dies_before == "model":
        journal.kill_before = None
    with pytest.raises(Killed):
        await first.ask(journal, [mailer(sent)])
    second = Model(simulator)
    second.answers = [{"text": f"mailed {first.word('bob@acme.test')}"}]
    outcome = await second.ask(journal.next_attempt(), [mailer(sent)])
    assert outcome.output == {"text": "mailed bob@acme.test"}
    assert sent == [{"to": MAIL}]


async def test_a_tool_is_not_called_with_what_stands_for_nothing(simulator: LlmSimulator) -> None:
    sent: list[Any] = []
    model = Model(simulator)
    model.answers = [
        ("send_mail", {"to": "MASKED-MAIL-BCDFGHJK"}),
        ("send_mail", {"to": model.word(MAIL)}),
        {"text": "done"},
    ]
    tool = mailer(sent)
    await model.ask(MemoryJournal(), [replace(tool, parameters={"type": "object"})])
    assert sent == [{"to": MAIL}]
    assert "no such placeholder" in model.seen


@pytest.mark.parametrize(
    ("second", "said"), [("fine", "fine"), ("x MASKED-NAME-QQQQ", "x [name, masked and not restored]")]
)
async def test_an_answer_with_a_garbled_placeholder_is_asked_for_again_and_then_told(
    simulator: LlmSimulator, second: str, said: str
) -> None:
    model = Model(simulator, {"text": "Ask MASKED-NAME-QQQQ"}, {"text": second})
    outcome = await model.ask(MemoryJournal())
    assert outcome.output == {"text": said}
    assert len(simulator.chats) == 2


async def test_the_answer_is_measured_by_its_true_words(simulator: LlmSimulator) -> None:
    model = Model(simulator)
    words = f"{model.word(MAIL)} {model.word(PHONE)} {model.word(NAME)}"
    assert len(words) > SCHEMA["properties"]["text"]["maxLength"]  # type: ignore[index]
    model.answers = [{"text": words}]
    assert (await model.ask()).output == {"text": f"{MAIL} {PHONE} {NAME}"}


async def test_what_stays_in_the_house_is_shown_everything(simulator: LlmSimulator) -> None:
    model = Model(simulator, {"text": NAME})
    assert (await model.ask(is_local=True)).output == {"text": NAME}
    assert PROMPT in simulator.chats[0].body["messages"][-1]["content"]
    endpoint = EmbeddedEndpoint(base_url="http://127.0.0.1:1/v1", api_key="k", model="m")
    way = GatewaySettings(embedded=lambda: endpoint, masker=model.masker)
    embedded = build_model({"provider": "embedded"}, way, HttpClientFactory())
    assert isinstance(embedded, ConstrainedModel)
    assert masker_of(embedded) is None


async def test_without_a_masker_nothing_is_changed(simulator: LlmSimulator) -> None:
    model = Model(simulator, {"text": "MASKED-MAIL-BCDFGHJK"})
    assert (await model.ask(masker=None)).output == {"text": "MASKED-MAIL-BCDFGHJK"}
    assert MAIL in model.seen
    assert EXPLAINED not in model.seen


async def test_a_placeholder_of_an_attempt_with_other_rules_never_reaches_anybody(simulator: LlmSimulator) -> None:
    sent: list[Any] = []
    first = Model(simulator)
    first.answers = [("send_mail", {"to": first.word(MAIL)})]
    journal = MemoryJournal(kill_before="send_mail")
    with pytest.raises(Killed):
        await first.ask(journal, [mailer(sent)])
    # Between the two the tenant has switched the masks off.
    second = Model(simulator, ("send_mail", {"to": MAIL}), {"text": "done"})
    second.masker = Masker((), b"run")
    await second.ask(journal.next_attempt(), [replace(mailer(sent), parameters={"type": "object"})])
    assert sent == [{"to": MAIL}]


async def test_each_link_of_a_chain_is_masked_unless_it_is_local(simulator: LlmSimulator) -> None:
    async with LlmSimulator(script=lambda _: Reply(status=503, error={"message": "down"}), api_key=KEY) as first:
        model = Model(simulator)
        model.answers = [{"text": model.word(MAIL)}]
        own = GatewaySettings(base_url=first.base_url, api_key=KEY, timeout=5.0, masker=model.masker)
        spare = replace(own, base_url=simulator.base_url, slug="spare", ident="spare", masker=None)
        config = {"model": "gpt-4", "fallbacks": [{"model": "gpt-4o", "connection": "spare"}]}
        journal, jar = MemoryJournal(), Jar()
        journal.purse = jar
        chain = build_model(config, replace(own, others={"spare": spare}), HttpClientFactory())
        assert masker_of(chain) is model.masker
        outcome = await run_agent(AgentTask("Help.", PROMPT, SCHEMA), chain, journal)
        assert outcome.output == {"text": MAIL}
        assert not [one for one in CANARIES if one in json.dumps([chat.body for chat in first.chats]) + model.seen]
        # One that is local is shown the same conversation as it is.
        model.answers = [{"text": "ok"}]
        there = replace(own, others={"spare": replace(spare, is_local=True)})
        await run_agent(AgentTask("Help.", PROMPT, SCHEMA), build_model(config, there, HttpClientFactory()), None)
        assert MAIL in json.dumps(simulator.chats[-1].body)
        assert MAIL not in json.dumps(first.chats[-1].body)


def test_what_was_answered_before_and_what_was_wrong_with_it_is_masked_too() -> None:
    one = masker()
    said = [
        ModelRequest(parts=[UserPromptPart(["look", MAIL])], instructions="Help."),
        ModelResponse(parts=[TextPart(f'{{"text": "{MAIL}"}}'), TextPart(f"{{ {PHONE}")]),
        ModelRequest(parts=[ToolReturnPart("t", f"{MAIL} does not fit", tool_call_id="1", outcome="retried")]),
    ]
    tool = ToolDefinition(name="t", parameters_json_schema={"properties": {"title": {"pattern": "^0123 456789$"}}})
    shown = shown_to_model(said, ModelRequestParameters(function_tools=[tool]), one)
    text = str(shown.messages)
    assert MAIL not in text
    assert "1234567" not in text
    first = shown.messages[1].parts[0]
    assert isinstance(first, TextPart)
    assert json.loads(first.content) == {"text": one.mask(MAIL)}
    # What a value must look like stays as it is.
    assert shown.parameters.function_tools[0].parameters_json_schema == tool.parameters_json_schema
    assert shown.counts == {"mail": 1, "phone": 1}


def test_a_conversation_without_such_values_is_sent_as_it_is() -> None:
    said = [ModelRequest(parts=[UserPromptPart("The printer jams.")], instructions="Help.")]
    shown = shown_to_model(said, ModelRequestParameters(), masker())
    assert (shown.messages, shown.counts) == (said, {})
    assert masker_of(TestModel()) is None


def test_there_is_no_other_way_to_a_model() -> None:
    source = Path(deskhand.__file__).parent
    texts = {
        str(path.relative_to(source)): path.read_text(encoding="utf-8")
        for path in source.rglob("*.py")
        if "simulators" not in path.parts
    }

    def saying(*words: str) -> set[str]:
        return {path for path, text in texts.items() if any(word in text for word in words)}

    # Whoever makes a model makes it at the door, whoever has its way makes a model, and the words of the two others are
    # ours: a test of a connection, and the measure of the embedded model's speed.
    assert saying("GatewayModel(", "LiteLLMModel(") - {"llm/litellm_model.py"} == {"llm/gateway.py"}
    assert saying("ChatTransport") == {"llm/chat.py", "llm/gateway.py", "llm/embedded/constrained.py"}
    assert saying("chat/completions") == {"llm/chat.py", "gateways/probe.py", "llm/embedded/speed.py"}
    assert saying("acompletion(") == {"llm/litellm_model.py"}
    assert "Masked(model" in texts["llm/gateway.py"]
