"""What Prometheus can ask for. Labels take few values: a model's id, a route, a kind of refusal."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

registry = CollectorRegistry()
ProcessCollector(registry=registry)

places_taken = Gauge(
    "pix2pix_places_taken", "Requests that are served or wait; more are refused", registry=registry
)
queue_depth = Gauge(
    "pix2pix_queue_depth", "Pictures that wait for the network", ["model"], registry=registry
)
translation_seconds = Histogram(
    "pix2pix_translation_seconds",
    "Time of one picture in the network",
    ["model"],
    buckets=SECONDS,
    registry=registry,
)
request_seconds = Histogram(
    "pix2pix_request_seconds",
    "Time from request to response",
    ["route", "model", "status"],
    buckets=SECONDS,
    registry=registry,
)
refusals = Counter(
    "pix2pix_refusals_total",
    "Requests that got no picture, by reason",
    ["route", "model", "reason"],
    registry=registry,
)
