"""Processes that work for `gpu.py`, each job within a limit of time."""

import contextlib
import multiprocessing
import traceback


def serve(pipe) -> None:
    """Do one job after the other; each is answered, by what it returns or by what went wrong."""
    import cv2
    import gpu_runs
    import gpu_steps

    cv2.setNumThreads(1)  # several processes read pairs, which inherit this

    jobs = gpu_steps.JOBS | gpu_runs.JOBS
    while (message := pipe.recv()) is not None:
        name, settings = message
        try:
            answer = jobs[name](**settings)
        except Exception as error:
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        pipe.send(answer)


class Worker:
    """A process that does jobs; one that dies, or takes too long, is followed by another."""

    def __init__(self):
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        # No daemon: it has children itself, which read pictures.
        self.process = context.Process(target=serve, args=(other,))
        self.process.start()
        other.close()
        self.begun = 0

    def begin(self, job: str, **settings) -> None:
        self.begun += 1
        with contextlib.suppress(OSError):  # of one that died: `end` says so
            self.pipe.send((job, settings))

    def end(self, seconds: float) -> dict:
        """The answer to the oldest job that was begun."""
        if not self.begun:
            return {"failed": "the process ended in an earlier job"}
        try:
            if self.pipe.poll(max(0, seconds)):
                answer = self.pipe.recv()
                self.begun -= 1
                return answer
            failed = f"took longer than {seconds:.0f} s"
        except (EOFError, OSError):
            failed = "the process ended"
        self.stop()
        self.start()
        return {"failed": failed}

    def ask(self, job: str, limit: float, **settings) -> dict:
        """The answer, within `limit` seconds."""
        if limit <= 0:
            return {"failed": "no time was left"}
        self.begin(job, **settings)
        return self.end(limit)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self.process.join(0 if self.begun else 10)
        self.process.kill()
        self.process.join()
        self.pipe.close()
