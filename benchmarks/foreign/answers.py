"""The embedded model behind a server that keeps its answers: a note that is laid out anew is not asked anew.

At temperature 0 the model says the same to the same question, and on a slow core its answer is nearly all of the time.
What it took is kept with the answer, so that times can be told as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.models import AUTO, EmbeddedEndpoint
from deskhand.llm.embedded.server import EmbeddedModelServer, options_for
from deskhand.simulators.base.server import run_in_process

KEY = "kept"
MOST_SECONDS = 1200.0
"""Of one answer: this is also run beside other work, on what that leaves over."""


@dataclass
class KeptAnswers:
    """Answers of one model in a folder, by what was asked.

    Attributes:
        folder: Where they are.
        server: The model; started when something is asked that it has not answered yet.
        made: Answers that were not kept from earlier runs.
        seconds: What every answer of this run took, when it was made.
    """

    folder: Path
    server: EmbeddedModelServer
    made: int = 0
    seconds: list[float] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """As the model's own server answers a chat."""
        body = await request.body()
        kept = self.folder / f"{hashlib.sha256(self.server.model_name.encode() + body).hexdigest()}.json"
        if not kept.is_file():
            await self._make(body, kept)
        found = json.loads(kept.read_text("utf-8"))
        self.seconds.append(found["seconds"])
        return Response(found["answer"], media_type="application/json")

    async def _make(self, body: bytes, kept: Path) -> None:
        if not self.made:
            self.server.start()
        endpoint = await asyncio.to_thread(self.server.wait_ready, MOST_SECONDS)
        begun = time.perf_counter()
        async with HttpClientFactory(allow_private=True).client(read_timeout=MOST_SECONDS) as client:
            answer = await client.post(
                f"{endpoint.base_url}/chat/completions",
                content=body,
                headers={"Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json"},
            )
        answer.raise_for_status()
        self.made += 1
        told = json.dumps({"seconds": time.perf_counter() - begun, "answer": answer.text})
        await asyncio.to_thread(kept.write_text, told, "utf-8")


@asynccontextmanager
async def kept_answers(
    folder: Path, *, models: Path, scratch: Path
) -> AsyncIterator[tuple[KeptAnswers, EmbeddedEndpoint]]:
    """The default embedded model, and where it is to be asked.

    Args:
        folder: Of the answers; made where it is missing.
        models: Where model files are.
        scratch: For the model server's own file.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    options = options_for(AUTO, models_dir=models, state_file=scratch / "embedded-model.json")
    # How fast this machine is decides nothing here: the notes are to be those of the default model.
    kept = KeptAnswers(folder, EmbeddedModelServer(replace(options, smaller=None)))
    app = Starlette(routes=[Route("/v1/chat/completions", kept.answer, methods=["POST"])])
    try:
        async with run_in_process(app) as server:
            yield kept, EmbeddedEndpoint(f"{server.url}/v1", KEY, options.name)
    finally:
        if kept.made:
            kept.server.stop()
