"""Stopping in time: work in progress is finished, but no client is waited for without end."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uvicorn.server import HANDLED_SIGNALS  # Windows has one more

GRACE_SECONDS = 8


@contextmanager
def graceful_stop(begin: Callable[[], None]) -> Iterator[None]:
    """At the first signal to stop call `begin`, and after the grace have the server wait no longer.

    The server waits for open connections without end, unless it is told by a second interrupt,
    as a person at the keyboard would do. Only the main thread is sent signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}

    def stop(number, frame) -> None:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        begin()
        loop.call_soon_threadsafe(
            loop.call_later, GRACE_SECONDS, signal.raise_signal, signal.SIGINT
        )
        handlers[number](number, frame)

    for number in HANDLED_SIGNALS:
        signal.signal(number, stop)
    yield
