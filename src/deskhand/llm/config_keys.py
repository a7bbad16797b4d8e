"""Keys that an agent's ``llm_config`` may not have, and why.

Apart from ``call_settings`` because the API asks it too, and the API imports no model library.
"""

from __future__ import annotations

from deskhand.kit.secrets_in_text import names_a_secret

_OURS = frozenset({
    "messages", "prompt", "input", "instructions", "tools", "tool_choice", "functions", "function_call", "stream",
    "stream_options", "n", "best_of", "logprobs", "top_logprobs", "echo", "modalities", "audio", "store", "background",
})  # fmt: skip
_DESTINATION = frozenset({
    "api_base", "base_url", "api_version", "api_type", "organization", "project", "custom_llm_provider", "client",
    "extra_headers", "headers", "extra_query", "timeout", "request_timeout", "num_retries", "max_retries",
    "fallbacks", "mock_response", "mock_tool_calls", "mock_timeout", "model_list", "deployment_id", "vertex_project",
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
