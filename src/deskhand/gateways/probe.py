"""Testing a connection: asks what it lists, whether its aliases lead somewhere, and perhaps a model for one word.

Imports no model library, for the API asks too; what only a library can tell, it says where to ask.
"""

from __future__ import annotations

import importlib.util

from deskhand.errors import DeskhandError
from deskhand.gateways.schemas import ConnectionCheck, ConnectionReport
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.llm.connection import GatewaySettings, list_models, lists, transport_to
from deskhand.llm.errors import ModelError
from deskhand.llm.served import ask_embedded
from deskhand.llm.transport import GatewayTransport

SECONDS = 20.0
"""For each question; a model that is loaded at the first call takes some."""
_NO_SDK = "The LiteLLM SDK is not installed here; install the extra deskhand[litellm] where workers run."
_SDK = "The LiteLLM SDK is installed. It asks vendors itself, in workers alone; a run shows whether they answer."


async def probe(gateway: GatewaySettings, http: HttpClientFactory, *, model: str | None = None) -> ConnectionReport:
    """Everything that is found wrong with a connection now.

    Args:
        gateway: The connection.
        http: The one door out.
        model: Also ask this model for a word; an alias is followed.
    """
    if gateway.fault:
        return _report([ConnectionCheck(name="key", ok=False, detail=gateway.fault)], None)
    if gateway.kind == "embedded":
        return await _embedded(gateway, http)
    if gateway.kind == "litellm_sdk" or not gateway.base_url:
        is_there = importlib.util.find_spec("litellm") is not None
        return _report([ConnectionCheck(name="library", ok=is_there, detail=_SDK if is_there else _NO_SDK)], None)
    listing, listed = await _listing(gateway, http)
    checks = [listing]
    if listed is not None:
        checks += _aliases(gateway, listed)
    if model is not None:
        chat = await _chat(gateway, http, gateway.name_of(model))
        checks.append(chat)
        # Some gateways list nothing, and what counts is that a model answers.
        if chat.ok and not listing.ok:
            checks[0] = ConnectionCheck(
                name="models", ok=True, detail=f"It lists no models, but answers. {listing.detail}"
            )
    return _report(checks, listed)


def _report(checks: list[ConnectionCheck], listed: list[str] | None) -> ConnectionReport:
    return ConnectionReport(ok=all(one.ok for one in checks), checks=checks, listed_models=listed)


async def _embedded(gateway: GatewaySettings, http: HttpClientFactory) -> ConnectionReport:
    if gateway.embedded is None:
        fault = "Nobody here can tell whether the embedded model runs; `deskhand doctor` says so where workers run."
        return _report([ConnectionCheck(name="models", ok=False, detail=fault)], None)
    try:
        names = await ask_embedded(gateway, http)
    except DeskhandError as error:
        return _report([ConnectionCheck(name="models", ok=False, detail=error.detail)], None)
    return _report([ConnectionCheck(name="models", ok=True, detail="The embedded model answers.")], names)


async def _listing(gateway: GatewaySettings, http: HttpClientFactory) -> tuple[ConnectionCheck, list[str] | None]:
    try:
        names = await list_models(gateway, http)
    except ModelError as error:
        return ConnectionCheck(name="models", ok=False, detail=error.detail), None
    said = f"It lists {len(names)} models." if names else "It answers, and lists no model."
    return ConnectionCheck(name="models", ok=True, detail=said), names


def _aliases(gateway: GatewaySettings, listed: list[str]) -> list[ConnectionCheck]:
    return [
        ConnectionCheck(
            name="alias",
            ok=False,
            detail=f"'{alias}' stands for '{target}', which it does not list; {what_exists(target, listed)}.",
        )
        for alias, target in gateway.aliases.items()
        if listed and not lists(listed, target)
    ]


async def _chat(gateway: GatewaySettings, http: HttpClientFactory, model: str) -> ConnectionCheck:
    transport = transport_to(gateway, http, GatewayTransport, timeout=min(gateway.timeout, SECONDS))
    # No limit of tokens: its name differs between models, and one word ends by itself.
    asked = {"model": model, "messages": [{"role": "user", "content": "Reply with the word OK."}]}
    try:
        answer, _headers = await transport.post("/chat/completions", asked, model=model)
    except ModelError as error:
        return ConnectionCheck(name="chat", ok=False, detail=error.detail)
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        fault = f"'{model}' answered, but not with a chat completion. Check that the address ends in /v1."
        return ConnectionCheck(name="chat", ok=False, detail=fault)
    return ConnectionCheck(name="chat", ok=True, detail=f"'{model}' answered.")
