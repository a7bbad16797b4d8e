"""What a request passes before its endpoint runs in the event loop, where nothing of it waits."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from tests.support.api import Api


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    for one in dependant.dependencies if dependant else ():
        yield one.call
        yield from _calls(one)


def test_no_dependency_is_sent_to_a_thread(api: Api) -> None:
    """FastAPI runs a plain function in a thread: five of them were a sixth of a list's time, and none waits."""
    calls = {
        call for context in iter_route_contexts(api.app.routes) for call in _calls(getattr(context, "dependant", None))
    }
    plain = []
    for call in calls:
        function = call if inspect.isroutine(call) or inspect.isclass(call) else type(call).__call__
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            plain.append(f"{call.__module__}.{getattr(call, '__qualname__', call)}")
    assert calls
    assert sorted(plain) == []
