"""Every error that leaves the service is a problem document (RFC 9457)."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from service.logs import request_id

# By RFC 9110, for what the service answers with: Python's own names differ between its versions.
TITLES = {
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class ProblemDocument(BaseModel):
    """The body of every error."""

    type: str = Field(
        "about:blank", description="there is no page beyond the status code's meaning"
    )
    title: str = Field(examples=["Unsupported Media Type"])
    status: int = Field(examples=[415])
    detail: str = Field(description="what is wrong and what to do, in one sentence or two")
    request_id: str = Field(description="the same as in the header X-Request-ID and in the log")


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


class Problem(Exception):
    """Raised anywhere below a route: the answer is this status with this explanation."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers

    def document(self) -> dict:
        return ProblemDocument(
            title=title(self.status),
            status=self.status,
            detail=self.detail,
            request_id=request_id.get(),
        ).model_dump()

    def response(self) -> ProblemResponse:
        return ProblemResponse(self.document(), self.status, self.headers)


def title(status: int) -> str:
    """The name of a status; one that the service itself never gives has its number."""
    return TITLES.get(status, f"Status {status}")


class Busy(Problem):
    """Refused for now; worth another try after `seconds`."""

    def __init__(self, detail: str, seconds: int):
        super().__init__(503, detail, {"Retry-After": str(seconds)})


def describe(status: int, request: Request) -> str:
    """What the framework's own refusals mean here."""
    if status == 404:
        return f"There is nothing at {request.url.path}; /docs lists what there is."
    if status == 405:
        return f"{request.url.path} does not take {request.method}; see the header Allow."
    return f"{title(status)}; /docs describes what the service expects."


def explain(error: RequestValidationError) -> str:
    """One sentence from the first thing that is wrong with the parameters."""
    first = error.errors()[0]
    return f"{first['loc'][-1]}: {first['msg']}; /docs describes the parameter."


def install(app: FastAPI) -> None:
    """Have the app answer with problem documents only."""

    @app.exception_handler(Problem)
    async def _(request: Request, error: Problem):
        return error.response()

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException):
        detail = describe(error.status_code, request)
        return Problem(error.status_code, detail, error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError):
        return Problem(422, explain(error)).response()
