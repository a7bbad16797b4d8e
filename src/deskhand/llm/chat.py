"""Chat completions over HTTP: what a gateway answers is read and named here, before any other code sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.kit.times import retry_after_seconds
from deskhand.llm.completion import Completion, InnerError, read_completion
from deskhand.llm.errors import ModelRefusedError, ModelUnavailableError, redacted
from deskhand.llm.openai_chat import countable
from deskhand.llm.transport import FILTERED, GatewayTransport, capitalised, classify


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A chat completion that was read, and the headers it came with."""

    completion: Completion
    headers: Mapping[str, str]


class ChatTransport(GatewayTransport):
    """A gateway's chat completions; the rest as for ``GatewayTransport``."""

    async def chat(self, body: dict[str, Any], *, model: str, structured: bool = False) -> ChatAnswer:
        """``POST /chat/completions``.

        Args:
            body: The request.
            model: For sentences.
            structured: The answer's text is to be JSON.

        Raises:
            ModelError: One of the tree in ``llm.errors``; no answer leaves here unread or unclassified.
        """
        answer, headers = await self.post("/chat/completions", body, model=model)
        completion = accept(
            answer,
            request={**body, "messages": countable(body["messages"])},
            where=f"the {self.what} at {self.host}",
            model=model,
            structured=structured,
            secrets=[self.key],
            retry_after=retry_after_seconds(headers.get("retry-after")),
            key_place=self.key_place,
        )
        return ChatAnswer(completion, headers)


def accept(
    body: Mapping[str, Any],
    *,
    request: object,
    where: str,
    model: str,
    structured: bool,
    secrets: Sequence[str | None] = (),
    retry_after: float | None = None,
    key_place: str = "DESKHAND_LLM_API_KEY",
) -> Completion:
    """The answer in a body that came with a 200.

    Args:
        body: Its JSON.
        request: What was asked, to estimate its tokens where the server does not count them.
        where: For sentences: which server, at which host.
        model: The model that was asked for.
        structured: The answer's text is to be JSON.
        secrets: What must not be quoted.
        retry_after: Seconds, if the server named them.
        key_place: Where the server's key is kept, for sentences.

    Raises:
        ModelError: It holds an error, a refusal, or nothing that is an answer.
    """
    read = read_completion(body, request=request, structured=structured)
    if read is None:
        raise ModelUnavailableError(
            f"{capitalised(where)} answered, but not with a chat completion. Check that its address ends in /v1 and"
            " belongs to an OpenAI-compatible server.",
            retry_after=retry_after,
        )
    if isinstance(read, InnerError):
        said = redacted(read.said, secrets)
        raise classify(read.status, said, where=where, model=model, retry_after=retry_after, key_place=key_place)
    if read.refusal and not read.says_something:
        raise ModelRefusedError(f"'{model}' at {where} refused to answer. It said: {redacted(read.refusal, secrets)}")
    if read.finish_reason == "content_filter":
        raise ModelRefusedError(FILTERED.format(model=model, where=where))
    return read
