"""The one thread that runs the networks, and the bounded line of requests in front of it."""

import gc
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from service import metrics
from service.models import Model, find_models, load_model
from service.problems import Busy, Problem

# Beyond this, those who wait for another size or model would wait too long: eight tiles of 256×256.
BATCH_PIXELS = 8 * 256 * 256

logger = logging.getLogger("pix2pix.engine")


@dataclass(eq=False)
class Job:
    """A picture that waits for its translation. Cancelling `future` takes it out of the line."""

    model: Model
    picture: Image.Image
    seed: int | None
    future: Future = field(default_factory=Future)

    def fits(self, other: "Job") -> bool:
        """Whether both can be taken in one turn; each noisy draw goes alone."""
        same_kind = self.model is other.model and self.picture.size == other.picture.size
        return same_kind and self.seed is None and other.seed is None


class Engine:
    """Loads the models, warms them up, then translates batch after batch in a thread of its own."""

    def __init__(self, models_dir: Path | None, queue_size: int):
        self.models_dir, self.queue_size = models_dir, queue_size
        self.models: dict[str, Model] = {}
        self.cause: str | None = "The models are being loaded."  # of not being ready
        self.places_taken = 0
        self.seconds_per_job = 0.1  # smoothed; what Retry-After is estimated from
        self.waiting: deque[Job] = deque()
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self.run, name="inference", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """No new requests; what waits is still translated."""
        with self.changed:
            self.stopping = True
            self.cause = "The service is being stopped."
            self.changed.notify()

    def model(self, identifier: str) -> Model:
        """The model of this id; a `Problem` where there is none, or none yet."""
        self.check_ready()
        if identifier not in self.models:
            known = ", ".join(self.models)
            raise Problem(404, f"There is no model {identifier!r}; there are: {known}.")
        return self.models[identifier]

    def check_ready(self) -> None:
        """Raise `Busy` with the cause while pictures cannot be translated."""
        if self.cause:
            raise Busy(self.cause, seconds=5)

    def check_places(self) -> None:
        """Raise `Busy` when one more request would be one too many."""
        if self.places_taken >= self.queue_size:
            seconds = math.ceil(self.places_taken * self.seconds_per_job)
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
        try:
            yield
        finally:
            self.places_taken -= 1

    def submit(self, model: Model, picture: Image.Image, seed: int | None) -> Future:
        """Line up a picture, RGB; the future gives its translation."""
        job = Job(model, picture, seed)
        with self.changed:
            self.waiting.append(job)
            self.changed.notify()
        metrics.queue_depth.labels(model.id).inc()
        return job.future

    def run(self) -> None:
        """The thread: load, warm up, then work until stopped and the line is empty."""
        try:
            self.load()
        except Exception as error:  # a model that fails is told at /ready, the port stays open
            self.cause = f"The models cannot be served: {error}"
            logger.exception("loading failed")
        while batch := self.next_batch():
            self.translate(batch)

    def load(self) -> None:
        """Load every model and translate a picture with each: what works once is ready."""
        for identifier, path in find_models(self.models_dir).items():
            model = load_model(identifier, path)
            model.translator.translate(Image.new("RGB", (64, 64)))
            self.models[identifier] = model
        gc.collect()
        gc.freeze()  # looking through what stays for good would stop every request for 0.2 s
        self.cause = None
        logger.info("ready", extra={"models": list(self.models)})

    def next_batch(self) -> list[Job]:
        """Wait for a job; take it and those behind it that fit. Empty when it is time to end."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.stopping)
            if not self.waiting:
                return []
            first = self.waiting.popleft()
            room = BATCH_PIXELS // math.prod(first.picture.size) - 1
            others = [job for job in self.waiting if job.fits(first)][: max(room, 0)]
            for job in others:
                self.waiting.remove(job)
        return [first, *others]

    def translate(self, batch: list[Job]) -> None:
        """Give each job its translation, or the error, as soon as it is there.

        One tile of one picture goes through the network at a time, so that each picture has the
        bits that it has alone. What was cancelled costs nothing.
        """
        model = batch[0].model.id
        metrics.queue_depth.labels(model).dec(len(batch))
        metrics.batch_size.labels(model).observe(len(batch))
        for job in batch:
            if job.future.set_running_or_notify_cancel():
                self.translate_one(job)

    def translate_one(self, job: Job) -> None:
        """Translate one picture, and learn from it how long the next may take."""
        start, noisy = time.perf_counter(), job.seed is not None
        try:
            translation = job.model.translator.translate(job.picture, noisy, job.seed)
        except Exception as error:  # goes to whoever waits, and the thread lives on
            job.future.set_exception(error)
            return
        seconds = time.perf_counter() - start
        self.seconds_per_job += 0.1 * (seconds - self.seconds_per_job)
        metrics.translation_seconds.labels(job.model.id).observe(seconds)
        job.future.set_result(translation)
