"""Whatever a stranger writes is read in time that grows with its length alone, or refused.

The entrances come from the code: every public function that takes a text first. One that takes more has to be named
here, with how it is called or why no stranger's words reach it. Time is the CPU's, of a text ten times as long compared
with the shorter one, so a loaded machine changes nothing.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import json
import pkgutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any, Literal
from uuid import UUID

import pytest
from joserfc.jwk import ECKey
from tests.support.desks import DESKS, new_simulator
from tests.support.runs import run_of, ticket

import deskhand
from deskhand.agents.models import AgentVersion
from deskhand.agents.versions import compare
from deskhand.errors import DeskhandError, SignatureError
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.names import Names
from deskhand.kit.oidc.tokens import TokenRefusedError
from deskhand.kit.payloads.holding import check_schema
from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY
from deskhand.knowledge.exports.files import DATA_SUFFIXES, read_rows
from deskhand.knowledge.exports.survey import survey
from deskhand.llm.completion import read_completion
from deskhand.notes.facts import NoteFacts, Source
from deskhand.notes.layout import check_draft, compose_note, draft_prompt, draft_schema, without_model
from deskhand.plugins.contract import AttachedFile, TicketingToolPlugin
from deskhand.plugins.events import WebhookRequest
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.simulators.base.desk import EventKind
from deskhand.work.files.choosing import FileKind

SHORT, LONG = 25_000, 1_000_000
PART = 10
"""So many times shorter for a function behind an entrance; there are two hundred of them."""
RATIO = 240
"""Times as long for a text forty times as long; quadratic would be 1,600."""
MIDDLE = LONG // 4
FLAT = RATIO / (LONG / MIDDLE) ** 2
"""Times as long for the middle length, up to which no square of the rest of the way leads over ``RATIO``."""
SHORT_LIMIT = 3.0
LOOP_SECONDS = 0.03
"""What ``loop`` took on the machine on which that limit was set."""
LEAST = 0.01
"""Seconds below which the clock of a CPU says little."""
QUIET = RATIO * LEAST / (LONG / MIDDLE) ** 3
"""Seconds of the middle length, up to which not even a cube does; so a text is read in full length only where it may
tell more, and what is linear costs a quarter."""
WORST = 2
"""Texts that are tried in full length: the slowest of the short ones, and what is quadratic is among them."""

OURS = ("migrations", "simulators", "cli", "demo", "installation", "settings", "supervisor", "worker", "api")
"""Where no stranger's words come in, or where they only pass through."""

UNITS = {
    "blanks": " ",
    "no-break blanks": "\xa0",
    "lines": "\n",
    "tabs": "\t",
    "digits": "7",
    "letters": "a",
    "capitals": "A",
    "words": "word ",
    "sentences": "If it is so, then do that. ",
    "brackets": "[",
    "closing brackets": "]",
    "braces": "{",
    "parentheses": "(",
    "quotes": '"',
    "apostrophes": "'",
    "angles": "<",
    "closing angles": ">",
    "open tags": "<b",
    "open attributes": '<a b="',
    "divs": "<div>",
    "tables": "<table><tr><td>",
    "comments": "<!--",
    "references": "&#",
    "entities": "&lt;",
    "stars": "*",
    "star words": "*a ",
    "double stars": "**a",
    "underscores": "_",
    "backticks": "`",
    "odd backticks": "`a``",
    "tildes": "~",
    "hashes": "#",
    "quotes of mails": "> ",
    "bullets": "- ",
    "pipes": "|a",
    "links": "[a](",
    "pictures": "![",
    "exclamations": "!a",
    "backslashes": "\\",
    "macros": "{code:",
    "noformat": "{noformat}a",
    "colours": "{color}",
    "mono": "{{a",
    "codes": "[code]",
    "mails": "a@",
    "hosts": "a.",
    "addresses": "http://a",
    "colons": "a:",
    "secrets": "password=",
    # Put together here, since no tracked file may hold the shape of a key.
    "keys": "-----BEGIN PRIVATE_KEY-----".replace("_", " "),
    "bearers": "Bearer ",
    "tokens": "eyJaaaaaaaa.",
    "marks": "dh-1-",
    "zalgo": "a\u0301\u0327",
    "accents": "\u0301",
    "ideographs": "日本",
    "emoji": "👩\u200d",
    "NUL": "\x00",
    "halves": "\ud83d",
    "thoughts": "<think>",
    "objects": '{"a":',
    "lists": "[1,",
    "commas": "a,",
    "semicolons": "a;",
    "slashes": "/",
    "dates": "2026-01-01 ",
}


def repeated(unit: str, size: int) -> str:
    return unit * (size // len(unit)) + "!"


# -- what takes a text ----------------------------------------------------------------------


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions of the product whose first parameter is a text, or anything that may be one."""
    for module in pkgutil.walk_packages(deskhand.__path__, "deskhand."):
        if module.name.split(".")[1].startswith(OURS) or module.name.endswith("__main__"):
            continue
        for name, one in vars(importlib.import_module(module.name)).items():
            if not inspect.isfunction(one) or one.__module__ != module.name or name.startswith("_"):
                continue
            parameters = list(inspect.signature(one).parameters.values())
            if (
                parameters
                and parameters[0].kind is not inspect.Parameter.KEYWORD_ONLY
                and str(parameters[0].annotation).split(" ")[0] in {"str", "Any", "object", "bytes"}
            ):
                yield f"{module.name.removeprefix('deskhand.')}.{name}", one


def needed(function: Callable[..., Any]) -> list[str]:
    """Parameters after the first that have no default."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [one.name for one in parameters if one.default is one.empty and one.kind not in kinds]


TAKE_TEXT = dict(functions())

EXEMPT = {
    **dict.fromkeys(
        [
            *("engine.figures.listen", "kit.http.public_addresses", "kit.log.log_context"),
            *("kit.db.connections.is_proxied", "llm.embedded.pull.pip_download", "llm.embedded.server.options_for"),
            "llm.embedded.speed.measured",
            *(
                name
                for name in TAKE_TEXT
                if name.startswith(("kit.db.admin.", "kit.db.roles.", "kit.db.session.", "recovery."))
            ),
        ],
        "opens, connects or changes something; its text is an operator's",
    ),
    **dict.fromkeys(
        [name for name in TAKE_TEXT if name.startswith("plugins.signatures.") and name.endswith("_headers")],
        "signs what we send",
    ),
    **dict.fromkeys(
        ["kit.totp.qr_svg", "kit.totp.totp_uri"], "shows a secret that we made, and an address as long as one"
    ),
    **dict.fromkeys(
        [
            *("plugins.jira.fields.field_id", "plugins.jira.fields.encode", "plugins.jira.fields.allowed_value"),
            *("plugins.jira.jql.pack_cursor", "plugins.servicenow.mapping.custom_value", "kit.crypto.same_secret"),
            *("plugins.servicenow.mapping.cursor_parts", "agents.lifecycle.ensure_transition"),
            *(
                "plugins.servicenow.mapping.resolution_text",
                "plugins.servicenow.mapping.subject_text",
                "plugins.signatures.hmac_sha256",
            ),
            *("plugins.offered.require_link", "plugins.servicedesk_plus.mapping.created_list_info"),
            *(
                "tools.catalogue.find_provider",
                "configuration.places.fault_at",
                "kit.yaml.write_yaml",
                "approvals.differences.differences",
                "intake.filtering.facts_of",
                "work.outside.places.ensure_taken",
                "tenants.outside.outside_faults",
                "schedules.pages.misfire_words",
                "knowledge.repository.search_statement",
                "llm.modelinfo.price_of",
                "llm.openai_chat.request_options",
                "connectors.mcp.changes.ready",
                "connectors.mcp.stdio.over_stdio",
                "agents.console.words.granted_tool",
                "agents.console.words.granted",
                "tenants.desks.changes.first_connection",
                "reports.console.form.file_address",
            ),
        ],
        "looks its text up among names, or hands it on as it is",
    ),
    **dict.fromkeys(
        [
            *("plugins.history.one_ticket", "plugins.servicedesk_plus.mapping.read_ticket"),
            *("plugins.zendesk.mapping.read_ticket", "knowledge.exports.survey.survey"),
            *(
                "llm.durability.measure_response",
                "tools.desk.writes_on",
                "tools.values.read_grants",
                "knowledge.embedding.ticket_text",
            ),
        ],
        "made of parts that are called here, or called below",
    ),
}
"""Functions that cannot be called with a text alone, and why that is enough."""


def named(*people: str) -> Names:
    names = Names()
    for one in people:
        assert names.learn(one)
    return names


FILLED = {
    "str": "UTC",
    "int": 80,
    "float": 0.0,
    "bool": True,
    "object": "word",
    "Any": "word",
    "int | None": 2_000_000,
    "frozenset[str]": frozenset[str](),
    "Iterable[str]": (),
    "tuple[str, ...]": (),
    "Sequence[RowMapping]": (),
    "Mapping[str, Any]": {},
    "Mapping[str, Any] | None": {},
    "Mapping[str, str]": {},
    "Collection[MaskKind]": tuple(MaskKind),
    "Names": named("Worst Text"),
    "NoteFacts": NoteFacts(ticket_ref="INC-1", subject="VPN", description="It drops."),
    "datetime": datetime.now(UTC),
    "UUID": UUID(int=1),
    "AttachedFile": AttachedFile(id="1", name="trace.log"),
    "FileKind": FileKind.TEXT,
    "Key": ECKey.generate_key("P-256"),
    "ServiceDeskPlusConfig": ServiceDeskPlusConfig(servicedesk_url="https://desk.test", servicedesk_api_key="k"),
    "Run": run_of(),
    "Ticket": ticket(),
}
"""What stands in for the parameters after the text."""


def arguments(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    return {name: FILLED[str(parameters[name].annotation)] for name in needed(function)}


# -- measuring -------------------------------------------------------------------------------


class TooLongError(Exception):
    """The CPU time allowed was used up."""


@contextmanager
def code_alone() -> Iterator[None]:
    """The call is measured, not the test process around it.

    What measures coverage takes several times as long as the code, and each pass of the garbage collector walks every
    object that the tests before have left; a signal that meets a collector's callback is swallowed there besides.
    """
    tracer = sys.gettrace()
    gc.disable()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        gc.enable()


def untraced_seconds(read: Callable[[], object]) -> float:
    """CPU time of a call as the product has it."""
    with code_alone():
        began = time.thread_time()
        read()
        return time.thread_time() - began


def loop() -> None:
    total = 0
    for number in range(1_000_000):
        total += number


@cache
def slowness() -> float:
    """How many times slower this machine is than the one the limits were set on; at least 1."""
    return max(1.0, min(untraced_seconds(loop) for _ in range(3)) / LOOP_SECONDS)


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def seconds_of(read: Callable[[Any], object], value: Any, limit: float) -> float:
    """CPU time of reading a value; a refusal is an answer, too."""

    def reading() -> None:
        with cpu_limit(limit), suppress(DeskhandError, TokenRefusedError, ValueError):
            read(value)

    return untraced_seconds(reading)


def check_linear(read: Callable[[Any], object], makers: dict[str, Callable[[int], Any]], *, part: int = 1) -> None:
    """Read every kind of text short, and the slowest of them long: first a quarter, then all if that took long."""
    short, took = SHORT // part, {}
    limit = SHORT_LIMIT / part * slowness()
    for name, make in makers.items():
        try:
            took[name] = seconds_of(read, make(short), limit)
        except TooLongError:
            pytest.fail(f"{short:,} characters of {name} took over {limit:.1f} s")
    for name in sorted(took, key=lambda kind: -took[kind])[:WORST]:
        allowed = RATIO * max(LEAST, took[name])
        for length in (MIDDLE // part, LONG // part):
            try:
                seconds = seconds_of(read, makers[name](length), allowed)
            except TooLongError:
                seconds = inf
            # The kernel counts by ticks for the signal, and on a crowded machine sends it late or never.
            if seconds > allowed:
                pytest.fail(
                    f"{length:,} characters of {name} took over {allowed:.1f} s, {short:,} took {took[name]:.3f} s"
                )
            if seconds <= max(QUIET, FLAT * took[name]):
                break


@pytest.mark.parametrize("power", [2, 3])
def test_what_grows_faster_than_a_text_is_found_and_what_grows_with_it_is_not(power: int) -> None:
    lengths: list[int] = []

    def taking(seconds: float, power: int) -> Callable[[str], None]:
        def spin(text: str) -> None:
            lengths.append(len(text))
            until = time.thread_time() + seconds * (len(text) / LONG) ** power
            while time.thread_time() < until:
                sum(range(1_000))  # of one's own: what the kernel takes to tell the time is not limited

        return spin

    letters = {"letters": TEXTS["letters"]}
    with pytest.raises(pytest.fail.Exception, match=f"^{LONG:,} characters of letters took over"):
        # Four times what is allowed: a loaded machine measures a short text too long, and allows the more for it.
        check_linear(taking(4 * RATIO * LEAST, power), letters)
    lengths.clear()
    check_linear(taking(0.2, 1), letters)
    assert lengths == [SHORT + 1, MIDDLE + 1]


TEXTS: dict[str, Callable[[int], Any]] = {
    name: (lambda size, unit=unit: repeated(unit, size))  # type: ignore[misc]  # a default in a lambda
    for name, unit in UNITS.items()
}


def json_of(text: str) -> Any:
    try:
        return read_json(text)
    except UnreadableJsonError:
        return {}


def deep(size: int) -> Any:
    value: Any = "a" * (size - 700)
    for _ in range(90):
        value = {"content": [value]}
    return value


VALUES: dict[str, Callable[[int], Any]] = {
    "a deep value": deep,
    "a wide list": lambda size: ["a"] * (size // 4),
    "a list of lists": lambda size: [[]] * (size // 3),
    "many members": lambda size: {f"m{number}": "a" for number in range(size // 10)},
    "a list of objects": lambda size: {"content": [{"type": "text", "text": "a b"}] * (size // 30)},
    "marks in a line": lambda size: {
        "type": "doc",
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "*a_`"}] * (size // 34)}],
    },
}


@pytest.mark.parametrize("name", [name for name in TAKE_TEXT if name not in EXEMPT])
def test_a_text_is_read_in_time_that_grows_with_its_length(name: str) -> None:
    function = TAKE_TEXT[name]
    more = arguments(function)
    annotation = str(next(iter(inspect.signature(function).parameters.values())).annotation)
    makers = TEXTS
    if annotation.startswith("bytes"):
        makers = {kind: (lambda size, make=make: make(size).encode("utf-8", "replace")) for kind, make in TEXTS.items()}  # type: ignore[misc]
    elif not annotation.startswith("str"):
        makers = TEXTS | VALUES
    check_linear(lambda value: consumed(function(value, **more)), makers, part=PART)


def consumed(answer: object) -> object:
    return list(answer) if isinstance(answer, Iterator) else answer


def test_every_function_that_takes_a_text_is_called_or_exempt() -> None:
    unfilled = {
        name: missing
        for name, one in TAKE_TEXT.items()
        if name not in EXEMPT
        and (missing := [p for p in needed(one) if str(inspect.signature(one).parameters[p].annotation) not in FILLED])
    }
    assert unfilled == {}
    assert EXEMPT.keys() <= TAKE_TEXT.keys()
    assert TAKE_TEXT.keys() >= {"plugins.text.html_to_text", "kit.secrets_in_text.scrub", "kit.cron.check_cron"}


# -- the other entrances -----------------------------------------------------------------------


MANAGER = PluginManager.installed()
PLUGINS = [MANAGER.get_plugin(name) for name in MANAGER.tool_types if name in DESKS]


def mixed(size: int) -> str:
    """Some of each unit, one after the other."""
    return "".join(repeated(unit, size // len(UNITS)) for unit in UNITS.values())


def events(tool_type: str) -> list[dict[str, Any]]:
    simulator = new_simulator(tool_type)
    person = simulator.store.person("tech@acme.test", is_agent=True)
    ticket = simulator.file_ticket(subject="VPN drops", requester=simulator.store.person("ada@acme.test"))
    kinds: list[EventKind] = ["created", "updated"]
    made = [simulator.event(kind, ticket, actor=person, note=None) for kind in kinds]
    return [json.loads(event.body) for event in made]


def filled_with(value: Any, text: str) -> Any:
    """An event whose words are all a stranger's; names of events and ids stay."""
    if isinstance(value, dict):
        return {name: filled_with(member, text) for name, member in value.items()}
    if isinstance(value, list):
        return [filled_with(member, text) for member in value]
    return text if isinstance(value, str) and " " in value else value


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: str(plugin.manifest.tool_type))
def test_a_desks_event_is_read_in_time_that_grows_with_its_length(plugin: type[TicketingToolPlugin]) -> None:
    def read(body: bytes) -> object:
        request = WebhookRequest(headers={"content-type": "application/json"}, body=body)
        with suppress(SignatureError):
            plugin.validate_webhook(request, secrets=["a" * 40], now=datetime.now(UTC))
        return [plugin.delivery_id(request), plugin.sent_at(request), plugin.extract_metadata(request)]

    bodies: dict[str, Callable[[int], Any]] = {
        kind: (lambda size, make=make: make(size).encode("utf-8", "replace"))
        for kind, make in TEXTS.items()  # type: ignore[misc]
    }
    bodies |= {kind: (lambda size, make=make: json.dumps(make(size)).encode()) for kind, make in VALUES.items()}  # type: ignore[misc]
    for number, event in enumerate(events(plugin.manifest.tool_type)):
        bodies[f"event {number}"] = lambda size, event=event: json.dumps(filled_with(event, mixed(size))).encode()  # type: ignore[misc]
    check_linear(read, bodies)


@pytest.mark.parametrize("ending", sorted(DATA_SUFFIXES))
def test_a_file_is_read_in_time_that_grows_with_its_length(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"export{ending}"

    def read(text: str) -> object:
        path.write_text(text, encoding="utf-8", errors="replace")
        return survey(path.name, read_rows(path), TICKET_VOCABULARY)

    check_linear(read, TEXTS, part=PART)


@pytest.mark.parametrize("structured", [True, False])
def test_a_models_answer_is_read_in_time_that_grows_with_its_length(structured: bool) -> None:
    def read(text: str) -> object:
        calls = [{"id": "1", "type": "function", "function": {"name": "search", "arguments": text}}]
        message = {"content": text, "reasoning_content": text, "tool_calls": calls}
        return read_completion(
            {"choices": [{"message": message, "finish_reason": text}]}, request=text, structured=structured
        )

    check_linear(read, TEXTS)


def test_an_event_is_held_to_a_schema_in_time_that_grows_with_its_length() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}, "uniqueItems": True}

    def read(text: str) -> object:
        return asyncio.run(check_schema({"a": text}, schema))

    check_linear(read, TEXTS)


def test_two_prompts_are_compared_in_time_that_grows_with_their_length() -> None:
    def version(number: int, prompt: str) -> AgentVersion:
        return AgentVersion(
            agent_id=UUID(int=1), version_number=number, system_prompt=prompt, llm_config={}, tools=[], triggers=[]
        )

    def read(text: str) -> object:
        return compare(version(1, text), version(2, text[::-1] + "\nb"))

    check_linear(read, TEXTS)


def test_a_note_is_drafted_from_facts_in_time_that_grows_with_their_length() -> None:
    kinds: list[Literal["ticket", "article", "system", "live"]] = ["ticket", "article", "system", "live"]

    def read(text: str) -> object:
        sources = tuple(
            Source(ref=f"{kind[0].upper()}1", kind=kind, label=kind, title="VPN", text=text, problem=text, score=0.9)
            for kind in kinds
        )
        facts = NoteFacts(ticket_ref="INC-1", subject="VPN drops", description=text, sources=sources)
        draft_schema(facts)
        steps = [{"text": "Restart the VPN client.", "source": "T1"}, {"text": text, "source": "T1"}]
        drafts = [
            check_draft({"summary": "The VPN drops.", "next_steps": steps}, facts),
            check_draft({"summary": text, "next_steps": steps, "article_steps": [text]}, facts),
            without_model(facts, shortfall="it did not answer"),
        ]
        return [draft_prompt(facts), *(compose_note(facts, one) for one in drafts)]

    check_linear(read, TEXTS, part=PART)
