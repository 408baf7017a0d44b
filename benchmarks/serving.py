"""The translation service under load, on loopback, beside a bare loop on the same machine.

Locust is the load, in this process; the service and the bare loops have processes of their own, and
loops and load take turns. All have the same cores: what the load needs, the service lacks.

1. overhead: one client, one 256×256 PNG after the other; the service's median beside the median of
   `Translator.translate` alone;
2. saturation: sixteen clients that never wait, beside two bare loops: the network alone, and files
   to files (decode, translate, encode, with the service's own functions);
3. overload: arrivals at four times that rate for a minute, and /health ten times a second;
4. memory: 3,000 mixed requests, resident after the first 300 and after the last.

Prints one JSON line a part and keeps them in `results/serving.json`. About six minutes.
"""

from gevent import monkey

monkey.patch_all()  # before anything opens a socket: Locust's clients are greenlets

import argparse  # noqa: E402
import datetime  # noqa: E402
import gc  # noqa: E402
import io  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import random  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import httpx  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
from locust import FastHttpUser, constant_throughput, task  # noqa: E402
from locust.env import Environment  # noqa: E402
from PIL import Image  # noqa: E402

REPOSITORY = Path(__file__).parents[1]
APP, RESULTS = REPOSITORY / "app", REPOSITORY / "results" / "serving.json"
QUEUE = 16  # the service's default
BARE_LOOP = """
import sys, time
from service.pictures import decode, encode
from pix2pix_lib.inference import Translator
kind, seconds = sys.argv[1], float(sys.argv[2])
content, png = sys.stdin.buffer.read(), "image/png"
translator, picture = Translator.load("earth_sat2map"), decode(content, 10**6, png)
work = {
    "network": lambda: translator.translate(picture),
    "files": lambda: encode(translator.translate(decode(content, 10**6, png)), png),
}[kind]
for _ in range(5):
    work()
times, end = [], time.perf_counter() + seconds
while time.perf_counter() < end:
    start = time.perf_counter()
    work()
    times.append(time.perf_counter() - start)
print(sorted(times)[len(times) // 2], len(times) / sum(times))
"""


def satellite_png(side: int = 256) -> bytes:
    """A real tile as PNG."""
    with Image.open(REPOSITORY / "data" / "samples" / "japan.jpg") as picture:
        return encoded(picture.convert("RGB").crop((0, 0, side, side)))


def encoded(picture: Image.Image, image_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format)
    return file.getvalue()


def bare_loop(kind: str, seconds: float) -> tuple[float, float]:
    """Median milliseconds and pictures per second of a loop without a service."""
    command = [sys.executable, "-c", BARE_LOOP, kind, str(seconds)]
    run = subprocess.run(command, cwd=APP, input=satellite_png(), capture_output=True, check=True)
    median, rate = map(float, run.stdout.split())
    return median * 1000, rate


class Service:
    """The real server, in a process of its own."""

    def __init__(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "api_main:app", "--port", str(port)],
            cwd=APP,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                if httpx.get(f"{self.url}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)

    def memory(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


def run_load(service: Service, seconds: float, **users: int) -> list[tuple]:
    """Let so many Locust users of each class below loose: (name, status, ms, headers) an answer."""
    classes, answers = [globals()[name] for name in users], []
    environment = Environment(user_classes=classes, host=service.url)

    def keep(name, response_time, response, **_):
        answers.append((name, response.status_code, response_time, dict(response.headers or {})))

    environment.events.request.add_listener(keep)
    for user_class in classes:
        user_class.fixed_count = users[user_class.__name__]
    gc.collect()
    gc.freeze()  # or the load itself would pause in the middle, and take it for the service's time
    runner = environment.create_local_runner()
    runner.start(sum(users.values()), spawn_rate=100)
    gevent.sleep(seconds)
    runner.quit()
    return answers


PICTURE = satellite_png()
HEADERS = {"Content-Type": "image/png"}


class Client(FastHttpUser):
    """Sends the next picture as soon as the last is back."""

    @task
    def translate(self):
        self.client.post("/v1/translate", data=PICTURE, headers=HEADERS, name="translate")


class Arrival(Client):
    """One of many who each come about once a second, and know nothing of each other."""

    def wait_time(self):
        return random.expovariate(1)

    def on_start(self):
        gevent.sleep(self.wait_time())


class Watcher(FastHttpUser):
    """Asks ten times a second whether the service is alive."""

    wait_time = constant_throughput(10)

    @task
    def health(self):
        self.client.get("/health", name="health")


def mixed_requests():
    """Pictures of many sizes and formats, and one in five that is no good, without end."""
    chance, picture = random.Random(0), Image.open(io.BytesIO(satellite_png(320)))
    for number in itertools.count():
        size = (chance.randint(1, 500), chance.randint(1, 500))
        image_format = chance.choice(["PNG", "JPEG", "WEBP"])
        content = encoded(picture.resize(size), image_format)
        if number % 5 == 0:
            content = content[: len(content) // 2]
        yield content, {"Accept": chance.choice(["image/png", "image/jpeg", "image/webp"])}


def measure_overhead(service: Service, seconds: float) -> dict:
    bare, served = [], []
    for _ in range(3):
        bare.append(bare_loop("network", seconds)[0])
        answers = run_load(service, seconds, Client=1)
        served.append(np.median([answer[2] for answer in answers[5:]]))
    overhead = np.median(np.subtract(served, bare))
    return {
        "bare_milliseconds": round(float(np.median(bare)), 1),
        "served_milliseconds": round(float(np.median(served)), 1),
        "overhead_milliseconds": round(float(overhead), 1),
    }


def measure_saturation(service: Service, seconds: float) -> dict:
    network, files, served = [], [], []
    for _ in range(3):
        network.append(bare_loop("network", seconds)[1])
        answers = run_load(service, seconds, Client=QUEUE)
        served.append(sum(answer[1] == 200 for answer in answers) / seconds)
        files.append(bare_loop("files", seconds)[1])
    return {
        "clients": QUEUE,
        "network_per_second": round(float(np.median(network)), 1),
        "files_per_second": round(float(np.median(files)), 1),
        "served_per_second": round(float(np.median(served)), 1),
        "share_of_network": round(float(np.median(np.divide(served, network))), 3),
        "share_of_files": round(float(np.median(np.divide(served, files))), 3),
    }


def measure_overload(service: Service, rate: float, seconds: float) -> dict:
    users = round(4 * rate * 1.1)  # a tenth more: while they wait for an answer, they do not come
    answers = run_load(service, seconds, Arrival=users, Watcher=1)
    pictures = [answer for answer in answers if answer[0] == "translate"]
    refused = [answer for answer in pictures if answer[1] == 503]
    accepted = [answer[2] for answer in pictures if answer[1] == 200]
    health = [answer[2] for answer in answers if answer[0] == "health"]
    refusal_times = [answer[2] for answer in refused]
    return {
        "seconds": seconds,
        "arrivals_per_second": round(len(pictures) / seconds, 1),
        "statuses": dict(Counter(str(answer[1]) for answer in pictures)),
        "refusals_with_retry_after": sum(
            any(name.lower() == "retry-after" for name in answer[3]) for answer in refused
        ),
        "refusal_milliseconds": spread(refusal_times),
        "accepted_milliseconds": spread(accepted),
        "health_milliseconds": spread(health),
    }


def spread(times: list[float]) -> dict:
    quantiles = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(float(np.quantile(times, share)), 1) for name, share in quantiles.items()}


def measure_memory(service: Service, requests: int) -> dict:
    resident, statuses = {}, Counter()
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for number, (content, headers) in enumerate(
            itertools.islice(mixed_requests(), requests), 1
        ):
            headers |= HEADERS
            answer = client.post("/v1/translate", content=content, headers=headers)
            statuses[str(answer.status_code)] += 1
            if number in (requests // 10, requests):
                resident[number] = service.memory()
    first, last = resident.values()
    return {
        "requests": requests,
        "statuses": dict(statuses),
        "resident_mb": {str(number): round(value) for number, value in resident.items()},
        "growth": round(last / first - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of overload (default: 60)")
    parser.add_argument("--requests", type=int, default=3000, help="mixed ones (default: 3000)")
    arguments = parser.parse_args()
    facts = {
        "date": datetime.date.today().isoformat(),
        "device": f"{platform.machine()} CPU, {os.cpu_count()} threads",
        "weights": "earth_sat2map",
    }
    service = Service()
    try:
        facts["overhead"] = measure_overhead(service, arguments.seconds / 12)
        print(json.dumps(facts["overhead"]), flush=True)
        facts["saturation"] = measure_saturation(service, arguments.seconds / 6)
        print(json.dumps(facts["saturation"]), flush=True)
        rate = facts["saturation"]["served_per_second"]
        facts["overload"] = measure_overload(service, rate, arguments.seconds)
        print(json.dumps(facts["overload"]), flush=True)
        facts["memory"] = measure_memory(service, arguments.requests)
        print(json.dumps(facts["memory"]), flush=True)
    finally:
        service.process.terminate()
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
