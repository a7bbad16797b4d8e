"""The one reader between a model's answer and everything else.

Servers that call themselves OpenAI-compatible leave parts out, send them in another type, put an error
into a 200, thoughts into the text and nonsense into the counts. ``read_completion`` takes such a body and
gives a ``Completion`` whose every part has the type it says; what cannot be an answer leaves as one of
``llm.errors``. Nothing behind it looks at the wire again.

Source of the wire format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic_ai.messages import ModelResponsePart, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.usage import RequestUsage

from deskhand.kit.storable import UnreadableJsonError, read_json, storable_text

FinishReason = Literal["stop", "length", "content_filter", "tool_call", "error"]
_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    # What gateways pass on of other vendors' words.
    **dict.fromkeys(("end_turn", "stop_sequence", "eos", "eos_token", "complete"), "stop"),
    **dict.fromkeys(("max_tokens", "max_length", "model_length"), "length"),
    **dict.fromkeys(("refusal", "safety", "recitation", "prohibited_content", "blocklist", "spii"), "content_filter"),
    **dict.fromkeys(("content_filtered", "guardrail_intervened", "sensitive"), "content_filter"),
    "tool_use": "tool_call",
}
_TEXT_KINDS = frozenset({"text", "output_text"})
_THOUGHT_KINDS = frozenset({"thinking", "reasoning", "thought"})
_THOUGHT_TAGS = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("think", "thinking", "reasoning", "thought", "seed:think")),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
)
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
REASONING = "reasoning_tokens"
"""Under this name the details of a usage hold the tokens of an answer that were thoughts."""
_MOST_TOKENS = 50_000_000  # no model reads or writes more in one call; a larger count is a mistake, not a bill
_MOST_DOLLARS = Decimal(10_000)
_MOST_CALLS = 128
_TOKEN_BYTES = 3  # few tokens of any script or of JSON are shorter, so an estimate by it seldom undercounts
_THOUGHT_BLOCKS = 20
_NAME = 200
_NO_OBJECT = "not an object: "


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    Attributes:
        parts: Thoughts, text and tool calls, in that order.
        refusal: Its own words where it declined; empty otherwise.
        finish_reason: Why it stopped, if it said one of the known reasons.
        usage: Tokens; a count that cannot be one is estimated, and marked so in its ``details``.
        model: The name it gave itself.
        ident: The server's id of this answer.
    """

    parts: list[ModelResponsePart]
    refusal: str
    finish_reason: FinishReason | None
    usage: RequestUsage
    model: str
    ident: str

    @property
    def says_something(self) -> bool:
        return any(not isinstance(part, ThinkingPart) for part in self.parts)

    @property
    def text(self) -> str:
        return "".join(part.content for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class InnerError:
    """An error that a server put where an answer was due, with its own status."""

    status: int
    said: str


def read_completion(
    body: Mapping[str, Any], *, request: object, structured: bool = False
) -> Completion | InnerError | None:
    """Read the JSON of a chat completion.

    Args:
        body: As ``kit.storable`` parsed it.
        request: What was asked, to estimate its tokens where the server does not count them.
        structured: The text is to be JSON; what stands around it is not part of it.

    Returns:
        The answer; the error that stands in its place; None if it is neither.
    """
    choices = [choice for choice in _listed(body.get("choices")) if isinstance(choice, dict)]
    # The first choice that holds a message: some gateways put an empty one before it.
    choice = next((one for one in choices if _message(one) is not None), None)
    message = None if choice is None else _message(choice)
    if choice is None or message is None:
        errors = (holder["error"] for holder in (body, *choices) if holder.get("error"))
        return next((_inner_error(error) for error in errors), None)
    reason = choice.get("finish_reason")
    completion = Completion(
        parts=list(_parts(message, structured=structured)),
        refusal=_refusal(message),
        finish_reason=_FINISH.get(reason.lower()) if isinstance(reason, str) else None,
        usage=read_usage(body.get("usage"), request=request, answer=message),
        model=_word(body.get("model")),
        ident=_word(body.get("id")),
    )
    # An error beside an answer is a remark; only one without an answer is a failure.
    error = choice.get("error") or body.get("error")
    return _inner_error(error) if error and not completion.says_something else completion


def _message(choice: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message of a choice; some servers answer as if they streamed, or as for a completion of a text."""
    for name in ("message", "delta"):
        if isinstance(message := choice.get(name), dict):
            return message
    return {"content": choice["text"]} if isinstance(choice.get("text"), str) else None


def read_usage(value: object, *, request: object, answer: object) -> RequestUsage:
    """Tokens of one call.

    A count that is absent, zero, negative, no number or beyond all measure is estimated from what was sent, so that no
    server makes a run free or endless by counting badly; ``details`` then says ``estimated_input_tokens`` or
    ``estimated_output_tokens``.

    ``input_tokens`` includes what came from the vendor's cache, whether the server counted that inside the prompt
    (OpenAI) or beside it (Anthropic's names); ``output_tokens`` what the model thought with, likewise inside (OpenAI)
    or beside (xAI), which ``details`` has apart as ``reasoning_tokens``.
    """
    usage = value if isinstance(value, dict) else {}
    details = usage.get("prompt_tokens_details")
    inside = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    # The same number under three vendors' names (OpenAI, Anthropic, DeepSeek), of which a gateway may pass on several.
    cached = max(inside, _count(usage.get("cache_read_input_tokens")), _count(usage.get("prompt_cache_hit_tokens")))
    prompt = _count(usage.get("prompt_tokens"))
    out = _count(usage.get("completion_tokens")) or _count(usage.get("output_tokens"))
    # More from the cache than in the prompt, or a total that holds both: the server counts them side by side.
    beside = cached > prompt or (cached and _count(usage.get("total_tokens")) >= prompt + out + cached)
    if not prompt:
        prompt = _count(usage.get("input_tokens"))
        beside = bool(cached)
    prompt += cached if beside else 0
    thought = _thought_tokens(usage)
    # More thoughts than answer, or a total that holds both: the server counts them side by side.
    if thought > out or (thought and _count(usage.get("total_tokens")) >= prompt + out + thought):
        out += thought
    counts = {"input_tokens": prompt, "output_tokens": out}
    sent = {"input_tokens": request, "output_tokens": answer}
    estimated = {name: _estimate(sent[name]) for name, count in counts.items() if not count}
    return RequestUsage(
        **(counts | estimated),
        cache_read_tokens=cached,
        details={
            **{f"estimated_{name}": count for name, count in estimated.items()},
            **({REASONING: thought} if thought else {}),
        },
    )


def _thought_tokens(usage: Mapping[str, Any]) -> int:
    """What of the answer's tokens were thoughts, under either name of OpenAI's two forms, or bare."""
    places = (usage.get("completion_tokens_details"), usage.get("output_tokens_details"), usage)
    return max(_count(place.get(REASONING)) for place in places if isinstance(place, dict))


def _estimate(sent: object) -> int:
    text = json.dumps(sent, ensure_ascii=False, default=str)
    # Rounded up: an estimate below the truth would let a run spend more than its limit.
    return -(-len(text.encode(errors="replace")) // _TOKEN_BYTES)


def read_cost(value: object) -> Decimal | None:
    """A cost in dollars as a header or an SDK states it; None if it does not, or states what no call costs."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        # Cut first: Decimal takes a header of a megabyte of digits, and computes with all of them.
        cost = Decimal(str(value)[:_NAME])
    except InvalidOperation:
        return None
    if not cost.is_finite() or not 0 <= cost <= _MOST_DOLLARS:
        return None
    # Such a cost adds nothing to any bill.
    return cost if cost >= Decimal("1e-12") else Decimal(0)


def _parts(message: Mapping[str, Any], *, structured: bool) -> Iterator[ModelResponsePart]:
    thoughts, text = _content(message.get("content"))
    before, text = split_thoughts(text)
    beside = next((v for name in _THOUGHT_FIELDS if isinstance(v := message.get(name), str)), "")
    thought = "\n".join(part for part in (beside, thoughts, before) if part.strip())
    if thought:
        yield ThinkingPart(thought)
    if text.strip():
        yield TextPart(json_within(text) if structured else text)
    sent = _listed(message.get("tool_calls"))
    if isinstance(one := message.get("tool_calls"), dict) and isinstance(one.get("function"), dict):
        sent = [one]
    # OpenAI's form from before there were several calls; older gateways still send it.
    legacy = message.get("function_call")
    if not sent and isinstance(legacy, dict):
        sent = [{"function": legacy}]
    calls = [call for one in sent if (call := _call(one)) is not None]
    yield from calls[:_MOST_CALLS]
    if len(calls) > _MOST_CALLS:
        yield _not_made(calls[_MOST_CALLS], asked=len(calls))


def _not_made(call: ToolCallPart, *, asked: int) -> ToolCallPart:
    """The first call of those beyond the most: its arguments are no JSON, so it is refused and the model reads why."""
    return replace(
        call,
        args=f"not made: this answer asked for {asked} calls, and at most {_MOST_CALLS} are made at once. This call and"
        f" the {asked - _MOST_CALLS - 1} after it were not made; ask again for those that are still needed.",
    )


def _content(value: object) -> tuple[str, str]:
    """Thoughts and text of a content: a text, a list of parts, or whatever was sent in its place."""
    if isinstance(value, str):
        return "", value.removeprefix("\ufeff")
    if isinstance(value, dict):
        # An object that is no part is the answer itself, which was to be a text.
        value = [value if {"type", "text"} & value.keys() else json.dumps(value)]
    thoughts: list[str] = []
    texts: list[str] = []
    for part in _listed(value):
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and kind in _THOUGHT_KINDS:
            thoughts.append(_content(part.get(kind) or part.get("text"))[1])
        elif isinstance(part, dict) and kind in _TEXT_KINDS and isinstance(part.get("text"), str):
            texts.append(part["text"])
    return "\n".join(thoughts), "".join(texts).removeprefix("\ufeff")


def split_thoughts(text: str) -> tuple[str, str]:
    """Thoughts that stand before an answer in the same text, and the answer.

    A closing tag alone ends thoughts too: some chat templates write the opening one into the prompt. Thoughts that were
    cut off have no answer behind them.
    """
    thoughts: list[str] = []
    # Several, since some models think again after a first conclusion; bounded, since the text is a stranger's.
    for _ in range(_THOUGHT_BLOCKS):
        split = _first_thought(text.lstrip())
        if split is None:
            break
        thoughts.append(split[0])
        text = split[1].lstrip().removeprefix("\ufeff")
    return "\n".join(thoughts), text


def _first_thought(text: str) -> tuple[str, str] | None:
    for opening, closing in _THOUGHT_TAGS:
        opened = text[: len(opening)].lower() == opening
        inner = text[len(opening) :] if opened else text
        thought, end, answer = _parted(inner, closing)
        # A closing tag inside an answer in JSON is part of the answer, so the text before it is no thought.
        if opened or (end and not thought.lstrip().startswith(("{", "[", "```"))):
            return thought, answer
    return None


def _parted(text: str, closing: str) -> tuple[str, str, str]:
    """As ``str.partition``, whatever case the sign is in."""
    sign = re.search(re.escape(closing), text, re.IGNORECASE)
    return (text, "", "") if sign is None else (text[: sign.start()], sign[0], text[sign.end() :])


def json_within(text: str) -> str:
    """The JSON object in a text: alone, in a code fence, or between words; the text itself if there is none."""
    whole = text.strip().removeprefix("\ufeff").strip()
    # From the first brace to the last: with words on both sides, that is where a model puts the one object.
    start, end = whole.find("{"), whole.rfind("}")
    if start < 0 or end < start:
        return whole
    for candidate in (whole, whole[start : end + 1]):
        try:
            value = read_json(candidate)
        except UnreadableJsonError:
            continue
        # The object was encoded twice: a text whose content is JSON.
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            return json_within(value)
        return candidate
    return whole


def _call(value: object) -> ToolCallPart | None:
    """One tool call; None if it does not say what to call."""
    call = value if isinstance(value, dict) else {}
    function = call.get("function")
    source = function if isinstance(function, dict) else call
    name = source.get("name")
    if not isinstance(name, str) or not name.strip():
        return None
    ident = call.get("id")
    # An empty id is given a new one by llm.calls, as one that was used before.
    return ToolCallPart(
        name.strip()[:_NAME], _arguments(source.get("arguments")), tool_call_id=_word(ident) if ident else ""
    )


def _arguments(value: object) -> str | dict[str, Any]:
    """Arguments as an object; what is none stays a text that is no JSON, so that the model is told and asked again."""
    for _ in range(2):  # some servers encode what is already encoded
        if isinstance(value, str) and value.strip():
            try:
                value = read_json(value)
            except UnreadableJsonError:
                return storable_text(str(value))
    if value is None or value == "":
        return {}
    if isinstance(value, dict):
        return value
    return _NO_OBJECT + json.dumps(value)[:2000]


def _refusal(message: Mapping[str, Any]) -> str:
    said = message.get("refusal")
    parts = (part.get("refusal") for part in _listed(message.get("content")) if isinstance(part, dict))
    return next((one for one in (said, *parts) if isinstance(one, str) and one.strip()), "")


def _inner_error(error: object) -> InnerError:
    if not isinstance(error, dict):
        return InnerError(502, str(error))
    words = [str(error[key]) for key in ("code", "type", "message", "detail") if error.get(key)]
    # Servers put the status under any of these, as a number or as text; 502 where none says, as the gateway's fault.
    codes = (_count(error.get(key)) for key in ("code", "status", "status_code"))
    return InnerError(next((code for code in codes if 400 <= code < 600), 502), ": ".join(dict.fromkeys(words)))


def _count(value: object) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:12])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST_TOKENS else 0


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _word(value: object) -> str:
    return str(value)[:_NAME] if isinstance(value, str | int) and not isinstance(value, bool) else ""
