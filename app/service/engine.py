"""The one thread that runs the networks, and the bounded line of requests in front of it."""

import gc
import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from PIL import Image

from service import metrics
from service.models import Model, find_models, load_model
from service.problems import Busy, Problem

LOADING, STOPPING = "The models are being loaded.", "The service is being stopped."
NO_MODELS = "No model can be served; the service's log says why."

logger = logging.getLogger("pix2pix.engine")


class Engine:
    """Loads the models and warms them up, then translates, one picture after the other.

    A second thread would only take the first one's cores. One tile of one picture goes through
    the network at a time, so that each picture has the bits that it has alone.
    """

    def __init__(self, models_dir: Path | None, queue_size: int):
        self.models_dir, self.queue_size = models_dir, queue_size
        self.models: dict[str, Model] = {}
        self.failed: list[str] = []  # ids of weights that were found and cannot be served
        self.cause: str | None = LOADING  # of not being ready
        self.places_taken = 0
        self.seconds_per_picture = 0.1  # smoothed; what Retry-After is estimated from
        self.line: SimpleQueue[tuple] = SimpleQueue()  # the arguments of `translate`
        # An executor would keep the process alive until its last picture is done.
        self.thread = Thread(target=self.run, name="inference", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """No new requests; what has a place is still translated."""
        self.cause = STOPPING

    def load(self) -> None:
        """Load every model; one that fails is told at /ready, and why in the log alone."""
        for identifier, path in find_models(self.models_dir):
            try:
                self.models[identifier] = load_model(identifier, path)
            except Exception:  # whatever is wrong with one file, the others are served
                self.failed.append(identifier)
                logger.exception("%s cannot be served", path)
        gc.collect()
        gc.freeze()  # looking through what stays for good would stop every request for 0.2 s
        if self.cause == LOADING:
            self.cause = None if self.models else NO_MODELS
        logger.info("loaded", extra={"models": list(self.models), "failed": self.failed})

    def check_ready(self) -> None:
        """Raise `Busy` with the cause while pictures cannot be translated."""
        if self.cause:
            raise Busy(self.cause, seconds=5)

    def model(self, identifier: str) -> Model:
        """The model of this id; a `Problem` where there is none, or none yet."""
        self.check_ready()
        if identifier not in self.models:
            known = ", ".join(self.models)
            raise Problem(404, f"There is no model {identifier!r}; there are: {known}.")
        return self.models[identifier]

    def check_places(self) -> None:
        """Raise `Busy` when one more request would be one too many."""
        if self.places_taken >= self.queue_size:
            seconds = math.ceil(self.places_taken * self.seconds_per_picture)
            raise Busy(
                f"{self.places_taken} requests are being served or wait, and more find no room; "
                f"try again in {seconds} s.",
                seconds,
            )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places from the decoding of a picture to the encoding of the result.

        Only the event loop takes and gives back places, so counting them needs no lock.
        """
        self.check_places()
        self.places_taken += 1
        metrics.places_taken.set(self.places_taken)
        try:
            yield
        finally:
            self.places_taken -= 1
            metrics.places_taken.set(self.places_taken)

    def submit(self, model: Model, picture: Image.Image, seed: int | None) -> Future:
        """Line up a picture, RGB. The future gives its translation; cancelled, it costs nothing."""
        future = Future()
        metrics.queue_depth.labels(model.id).inc()
        self.line.put((future, model, picture, seed))
        return future

    def run(self) -> None:
        """The thread: load, then one picture after the other, until the process ends."""
        self.load()
        while True:
            self.translate(*self.line.get())

    def translate(
        self, future: Future, model: Model, picture: Image.Image, seed: int | None
    ) -> None:
        """Give the future its translation, and learn from it how long the next may take."""
        metrics.queue_depth.labels(model.id).dec()
        if not future.set_running_or_notify_cancel():
            return
        start = time.perf_counter()
        try:
            translation = model.translator.translate(picture, seed is not None, seed)
        except Exception as error:  # goes to whoever waits, and the thread lives on
            future.set_exception(error)
            return
        seconds = time.perf_counter() - start
        self.seconds_per_picture += 0.1 * (seconds - self.seconds_per_picture)
        metrics.translation_seconds.labels(model.id).observe(seconds)
        future.set_result(translation)
