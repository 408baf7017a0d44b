"""Ctrl-C: asked to stop, a run finishes its step and saves."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .. import Pix2PixError


class Stopped(Pix2PixError):
    """A run was asked to end, and has saved; `status` is the exit status that shells expect."""

    def __init__(self, step: int, signals: list[int]):
        super().__init__(f"Stopped at step {step}, all saved; use --resume.")
        self.status = 128 + next(iter(signals), signal.SIGINT)  # none where another process got it


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM asks the run to end.

    It may be asked again while it saves: that changes nothing.
    """
    stop = []
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return

    def remember(number, frame):
        stop.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
