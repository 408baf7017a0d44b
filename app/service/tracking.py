"""Around every request: an id, a line in the log, a measurement, an answer even to faults."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.logs import request_id
from service.problems import Problem

logger = logging.getLogger("pix2pix.requests")

CLIENT_GONE = 499  # never sent: what logs call a client that left before its answer


def identify(headers: Headers) -> str:
    """The caller's own id, where it has one that is fit for a log, else a new one."""
    given = headers.get("x-request-id", "")
    return given if re.fullmatch(r"[\w.-]{1,64}", given, re.ASCII) else uuid.uuid4().hex


class Tracking:
    """ASGI middleware. Routes may leave facts for log and metrics in `request.state.facts`."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        identifier, start, status = identify(Headers(scope=scope)), time.perf_counter(), None
        facts = scope.setdefault("state", {})["facts"] = {}
        token = request_id.set(identifier)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identifier
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_GONE
        except Exception:
            logger.exception("a fault of the service")
            if status is None:
                problem = Problem(500, "This is a fault of the service; the log knows the request.")
                await problem.response()(scope, receive, send_with_id)
        finally:
            record(scope, status, time.perf_counter() - start, facts)
            request_id.reset(token)


def record(scope: Scope, status: int | None, seconds: float, facts: dict) -> None:
    """One line in the log and one measurement."""
    route = getattr(scope.get("route"), "path", "none")
    model = facts.get("model", "none")
    metrics.request_seconds.labels(route, model, str(status)).observe(seconds)
    if status is not None and status >= 400:
        metrics.refusals.labels(route, model, str(status)).inc()
    logger.info(
        "request",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
        }
        | facts,
    )
