"""The model gateway's simulator is served like a desk's, and can close a connection without an answer."""

from __future__ import annotations

import httpx2
import pytest
from tests.support.api import TLS

from deskhand.simulators.models import LlmSimulator, Reply


async def test_a_connection_that_is_hung_up_on_gets_no_answer_and_the_next_one_does() -> None:
    async with LlmSimulator([Reply(hang_up=True)]) as gateway, httpx2.AsyncClient(verify=TLS) as client:
        address, question = f"{gateway.base_url}/chat/completions", {"messages": []}
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(address, json=question)
        assert (await client.post(address, json=question)).status_code == 200
        assert (await client.post(address, content=b"{")).status_code == 400
    assert [seen.body for seen in gateway.chats] == [question, question]
