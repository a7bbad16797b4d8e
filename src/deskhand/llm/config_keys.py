"""What an agent's ``llm_config`` may not say, and why: whatever is taken here is sent with each call.

Apart from ``call_settings`` because the API asks it too, and the API imports no model library.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from deskhand.kit.nearest import what_exists
from deskhand.kit.secrets_in_text import names_a_secret
from deskhand.llm import catalogue
from deskhand.llm.embedded.models import AUTO, EMBEDDED_MODELS
from deskhand.llm.reasoning import is_reasoning

PROVIDERS = ("litellm", "embedded")
# llama.cpp takes one of these with a call, and ours is the one that makes the answer a note.
_GRAMMAR = ("response_format", "grammar", "json_schema")

_OURS = frozenset({
    "messages", "prompt", "input", "instructions", "tools", "tool_choice", "functions", "function_call", "stream",
    "stream_options", "n", "best_of", "logprobs", "top_logprobs", "echo", "modalities", "audio", "store", "background",
})  # fmt: skip
_DESTINATION = frozenset({
    "api_base", "base_url", "api_version", "api_type", "organization", "project", "custom_llm_provider", "client",
    "extra_headers", "headers", "extra_query", "timeout", "request_timeout", "num_retries", "max_retries",
    "mock_response", "mock_tool_calls", "mock_timeout", "model_list", "deployment_id", "vertex_project",
    "vertex_location", "aws_region_name", "aws_profile_name", "aws_role_name", "input_cost_per_token",
    "output_cost_per_token",
})  # fmt: skip


def refusal(key: str) -> str | None:
    """Why a key may not stand in ``llm_config``; None if it may."""
    if names_a_secret(key):
        return f"'{key}' looks like a credential; those belong to the installation's gateway"
    name = key.strip().lower()
    if name in _OURS:
        return f"'{key}' is decided by Deskhand for each call; leave it out"
    if name in _DESTINATION:
        return f"'{key}' says where or how a call is sent, which the installation decides; leave it out"
    return None


def is_embedded(provider: str, model: str) -> bool:
    """Whether the model runs on this machine."""
    return provider == "embedded" or model == AUTO or model in EMBEDDED_MODELS


def faults(config: Mapping[str, Any], *, named: Collection[str]) -> Iterator[str]:
    """Everything in a configuration that would not be done.

    Args:
        config: With its defaults.
        named: Keys that somebody set, and not the defaults.
    """
    provider, model = str(config["provider"]), str(config["model"])
    if provider not in PROVIDERS:
        yield f"'{provider}' serves no models; {what_exists(provider, PROVIDERS)}"
    elif provider == "embedded" and not is_embedded("", model):
        yield f"'{model}' is not an embedded model; {what_exists(model, [AUTO, *EMBEDDED_MODELS])}"
    wanted = {name for name in named if config.get(name) is not None}
    yield from _inner_faults(config, wanted)
    for one, other in (("stop", "stop_sequences"), ("max_completion_tokens", "max_tokens")):
        if {one, other} <= wanted:
            yield f"'{one}' and '{other}' are two names of one setting; keep one of them"
    if is_reasoning(model) and "temperature" in wanted:
        yield f"'{model}' takes no 'temperature' but its own; leave it out"
    if is_embedded(provider, model):
        shapes = [name for name in _GRAMMAR if name in wanted]
    else:
        shapes = [name for name in _GRAMMAR[:1] if name in wanted and not _takes_tools(model)]
    for name in shapes:
        yield f"'{name}' is decided by Deskhand for '{model}': its answers have the note's own form; leave it out"


def _inner_faults(config: Mapping[str, Any], listed: Collection[str]) -> Iterator[str]:
    """The OpenAI client's ``extra_body`` ("send these too"): its members are sent beside the others."""
    inner = config.get("extra_body")
    if inner is None:
        return
    if not isinstance(inner, dict):
        yield "'extra_body' must be an object"
        return
    for name in inner:
        fault = refusal(name)
        if fault:
            yield fault
        elif name in _BESIDE or name in listed:
            yield f"'{name}' has a field of its own; set it there and not in extra_body"


_BESIDE = frozenset({
    "provider", "connection", "model", "fallbacks", "fallback_on", "drop_params", "local_only", "extra_body",
    "temperature", "max_tokens", "top_p", "frequency_penalty", "presence_penalty", "stop_sequences",
    "stop", "seed", "max_completion_tokens", *_GRAMMAR,
})  # fmt: skip


def _takes_tools(model: str) -> bool:
    known = catalogue.facts(model)
    return known is None or known.supports_tools or not known.supports_json_schema
