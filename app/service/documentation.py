"""What the OpenAPI document cannot read off the code: bodies that are read by hand, and errors."""

from service.pictures import SAVE_OPTIONS
from service.problems import Problem, ProblemDocument

BINARY = {"type": "string", "format": "binary"}

PICTURES = {
    200: {
        "description": "The translation, at the size of the picture",
        "content": {media_type: {"schema": BINARY} for media_type in SAVE_OPTIONS},
    }
}
ZIP = {
    200: {
        "description": "`manifest.json` and the translations",
        "content": {"application/zip": {"schema": BINARY}},
    }
}


def form(field: str, schema: dict) -> dict:
    """A form with one field."""
    return {
        "schema": {
            "type": "object",
            "properties": {field: schema},
            "required": [field],
            "additionalProperties": False,
        }
    }


PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": BINARY} for media_type in SAVE_OPTIONS}
        | {
            "multipart/form-data": form("file", BINARY)
            | {"encoding": {"file": {"contentType": ", ".join(SAVE_OPTIONS)}}}
        },
    }
}
BATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": form(
                "files", {"type": "array", "items": BINARY, "minItems": 1, "maxItems": 20}
            )
        },
    }
}

EXAMPLES = {
    404: "There is no model 'mars'; there are: earth_colorize, earth_edges, earth_map2sat, "
    "earth_sat2map.",
    406: "Translations come as image/png, image/jpeg, image/webp; accept one of them.",
    408: "The request did not arrive within 30 s; try a faster connection.",
    413: "A request's body has at most 10 MB; make the picture smaller, or send fewer at once.",
    415: "This is no PNG, JPEG or WebP file; convert it to one first.",
    422: "The file is empty; send a PNG, JPEG or WebP picture.",
    500: "This is a fault of the service; the log knows the request.",
    503: "16 requests are being served or wait, and more find no room; try again in 2 s.",
}


def errors(*statuses: int) -> dict:
    """The problem documents that a route answers with, each with an example."""
    documented = {}
    for status in statuses:
        example = Problem(status, EXAMPLES[status]).document()
        documented[status] = {
            "description": example["title"],
            "content": {
                "application/problem+json": {
                    "schema": ProblemDocument.model_json_schema(),
                    "example": example | {"request_id": "0b5a3c0e9d3f4f0c8a1f6a0e1b2c3d4e"},
                }
            },
        }
    if 503 in documented:
        documented[503]["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "in seconds"}
        }
    return documented
