"""The processes that read pictures for a training, and how they warn."""

import signal
import warnings


class PairsByEpoch:
    """A data set by (epoch, index): one loader, and its workers, can last for a whole run.

    A worker that is spawned, not forked, needs seconds to import what it works with.
    """

    def __init__(self, pairs):
        self.pairs = pairs

    def __getitem__(self, place: tuple[int, int]) -> dict:
        self.pairs.epoch, index = place
        return self.pairs[index]


def begin_worker(number: int) -> None:
    """What a worker process does first; one that is spawned has nothing of what its parent set.

    Ctrl-C reaches every process of the terminal; only the training process may answer it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warn_plainly()


def warn_plainly() -> None:
    """Warnings begin on a line of their own, below the progress bar, and say no more than that."""
    warnings.formatwarning = lambda message, *where: f"\npix2pix: {message}\n"
