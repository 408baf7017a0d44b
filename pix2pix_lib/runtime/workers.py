"""The processes that read pictures for a training, and how they warn."""

import signal
import warnings


def begin_worker(number: int) -> None:
    """What a worker process does first; one that is spawned has nothing of what its parent set.

    Ctrl-C reaches every process of the terminal; only the training process may answer it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warn_plainly()


def warn_plainly() -> None:
    """Warnings begin on a line of their own, below the progress bar, and say no more than that."""
    warnings.formatwarning = lambda message, *where: f"\npix2pix: {message}\n"
