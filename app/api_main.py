"""The translation service: `uvicorn api_main:app`, then http://localhost:8000/docs."""
# ruff: noqa: E402 (what is missing is said before it is imported; threads are set before PyTorch)

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pix2pix_lib.runtime.extras import end_without
from pix2pix_lib.runtime.threads import share_the_cores

end_without("app", "The service")
share_the_cores()

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from service import logs, metrics, problems
from service.archive import translate_files
from service.documentation import BATCH_BODY, PICTURE_BODY, PICTURES, ZIP, errors
from service.engine import Engine
from service.models import DEFAULT, Model, ModelDescription
from service.pictures import choose_media_type
from service.problems import Problem
from service.settings import load_settings
from service.shutdown import graceful_stop
from service.tracking import Tracking
from service.uploads import read_files, read_picture_file
from service.work import Workshop, within

settings = load_settings()
engine = Engine(settings.models_dir, settings.queue_size)
workshop = Workshop(engine, settings.max_pixels)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The port opens at once; until the models are loaded, /ready and translations answer 503."""
    logs.configure()
    engine.start()
    with graceful_stop(engine.stop):
        yield
    engine.stop()


app = FastAPIOffline(
    title="pix2pix",
    summary="Image-to-image translation with the generators of the pix2pix course.",
    description=(
        "Send a PNG, JPEG or WebP picture of any size, get its translation in the same size. "
        f"At most {settings.max_bytes / 1e6:g} MB a request, "
        f"{settings.max_megapixels:g} megapixels a picture, {settings.max_files} files a batch. "
        "Every error is a problem document (RFC 9457) that says what to do; every answer has "
        "a header `X-Request-ID`."
    ),
    version=importlib.metadata.version("pix2pix-lib"),
    license_info={"name": "MIT", "identifier": "MIT"},
    lifespan=lifespan,
    redirect_slashes=False,
    generate_unique_id_function=lambda route: "-".join([*route.tags, route.name]),
    swagger_ui_parameters={"validatorUrl": None},  # or the page would ask another host
)
app.add_middleware(Tracking)
problems.install(app)


class Health(BaseModel):
    status: str = "alive"


class Readiness(BaseModel):
    status: Literal["ready", "degraded"]
    models: list[str]
    failed: list[str] = Field(description="ids of weights that cannot be served; the log says why")


async def requested_model(
    request: Request,
    model: Annotated[str, Query(description="an id from /v1/models", examples=[DEFAULT])] = DEFAULT,
) -> Model:
    # It awaits nothing, but what is not `async` is sent to a thread, and under load waits there.
    if len(request.query_params.multi_items()) > len(request.query_params):
        raise Problem(422, "A parameter is given twice; which of the two is meant is not known.")
    found = engine.model(model)
    request.state.facts["model"] = found.id
    return found


ModelParameter = Annotated[Model, Depends(requested_model)]
SeedParameter = Annotated[
    int | None,
    Query(
        ge=0,
        le=2**63 - 1,
        description="Turns on dropout, the paper's only noise, and fixes its draw. Without a seed "
        "the same picture always gives the same translation.",
    ),
]


@app.post(
    "/v1/translate",
    tags=["pictures"],
    response_class=Response,
    responses=PICTURES | errors(404, 406, 408, 413, 415, 422, 500, 503),
    openapi_extra=PICTURE_BODY,
)
async def translate(request: Request, model: ModelParameter, seed: SeedParameter = None):
    """Translate one picture.

    The body is the picture itself, or a form with the picture in its field `file`. The header
    `Accept` picks PNG (the default), JPEG or WebP.
    """
    media_type = choose_media_type(request.headers.get("accept"))

    async def answer(content: bytes) -> Response:
        with engine.place():
            picture, file = await workshop.translate(content, media_type, model, seed)
            request.state.facts["size"] = picture.size
            return Response(file, media_type=media_type)

    engine.check_places()  # before a byte of the body is read
    upload = read_picture_file(request, settings.max_bytes)
    return await within(settings.timeout_seconds, request, upload, answer)


@app.post(
    "/v1/translate/batch",
    tags=["pictures"],
    response_class=Response,
    responses=ZIP | errors(404, 408, 413, 415, 422, 500, 503),
    openapi_extra=BATCH_BODY,
)
async def translate_batch(request: Request, model: ModelParameter, seed: SeedParameter = None):
    """Translate up to twenty pictures, sent in a form's field `files`.

    The answer is a zip: `manifest.json` tells for each file, in the order sent, its status and
    either the PNG in the zip or the problem. A bad file does not stop the others.
    """

    async def answer(files: list) -> Response:
        with engine.place():
            content = await translate_files(workshop, files, model, seed)
            return Response(content, media_type="application/zip")

    engine.check_places()
    upload = read_files(request, "files", settings.max_bytes, settings.max_files)
    return await within(settings.timeout_seconds, request, upload, answer)


@app.get("/v1/models", tags=["models"], responses=errors(500, 503))
async def list_models() -> list[ModelDescription]:
    """All models that are served."""
    engine.check_ready()
    return [model.description for model in engine.models.values()]


@app.get("/v1/models/{model_id}", tags=["models"], responses=errors(404, 422, 500, 503))
async def show_model(model_id: str) -> ModelDescription:
    """One model: what it was trained on, and how well it does."""
    return engine.model(model_id).description


@app.get("/health", tags=["service"], responses=errors(500))
async def health() -> Health:
    """Whether the process is alive."""
    return Health()


@app.get("/ready", tags=["service"], responses=errors(500, 503))
async def ready() -> Readiness:
    """Whether pictures can be translated: each model has done one. Else 503, with the cause.

    Where some of the weights cannot be served, the status is "degraded"; the others are.
    """
    engine.check_ready()
    status = "degraded" if engine.failed else "ready"
    return Readiness(status=status, models=list(engine.models), failed=engine.failed)


@app.get(
    "/metrics",
    tags=["service"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | errors(500),
)
async def prometheus():
    """Places taken, queue depth, times and refusals, for Prometheus."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
