"""What keeps a process at its work: wait or stop, do something again and again, look after something.

A loop ends in three ways: it is asked to stop, it is cancelled, or it meets an error that nobody said may pass. It
never goes on in a task that was cancelled, although the clean-up of a cancelled task can end in an error that may pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import structlog

Errors = tuple[type[BaseException], ...]

log = structlog.get_logger(__name__)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until asked to stop; other tasks get their turn in any case."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), timeout=seconds)
    except TimeoutError:
        return


def let_cancellation_pass() -> None:
    """Call it where an error is caught that may come from the clean-up of a cancelled task.

    Raises:
        asyncio.CancelledError: The task was cancelled; the error is not the reason why it ends.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def repeat(
    work: Callable[[], Awaitable[float]],
    *,
    stop: asyncio.Event,
    passing: Errors,
    passes: Callable[[BaseException], bool] = lambda _error: True,
    pause: float,
    event: str,
) -> None:
    """Do some work again and again until asked to stop.

    Args:
        work: Done each time; answers how many seconds to wait before the next.
        stop: Ends the loop; work that has begun is finished.
        passing: Kinds of errors that may pass by themselves.
        passes: Whether one of these does.
        pause: Seconds to wait after one that does.
        event: Name of the warning that tells of it.
    """
    while not stop.is_set():
        try:
            seconds = await work()
        except passing as error:
            # The clean-up of a cancelled call may end in a driver's error: taken for a passing one, it would keep a
            # process from stopping.
            let_cancellation_pass()
            if not passes(error):
                raise
            log.warning(event, error=str(error) or type(error).__name__)
            seconds = pause
        await wait_or_stop(stop, seconds)


@contextmanager
def watched(look: Callable[[], None], *, every: float, passing: Errors, event: str) -> Iterator[None]:
    """Look after something in a thread of its own, inside the block.

    Args:
        look: Sees whether all is well and mends what is not.
        every: Seconds between two looks.
        passing: Errors after which the next look tries again.
        event: Name of the error that tells of it; the thread has it too.
    """
    stop = Event()

    def watch() -> None:
        # Waited for before the first look, since whoever starts the thread has just seen that all is well.
        while not stop.wait(every):
            try:
                look()
            except passing as error:
                log.error(event, error=str(error))

    # A daemon: a process that ends by an error must not wait for a look that hangs.
    thread = Thread(target=watch, name=event, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
