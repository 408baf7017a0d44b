"""One JSON object a line on stderr, with the request's id: never a picture, never a file's name."""

import logging
import logging.config
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


class AddRequestId(logging.Filter):
    """Gives every record the id of the request that it was made in, where there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if identifier := request_id.get():
            record.request_id = identifier
        return True


def configure() -> None:
    """Have the service and its server log alike; the server's own line for each request goes."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "fmt": "%(levelname)s %(name)s %(message)s",
                    "rename_fields": {"levelname": "level", "name": "logger"},
                    "timestamp": True,
                }
            },
            "filters": {"request_id": {"()": AddRequestId}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "json",
                    "filters": ["request_id"],
                }
            },
            "loggers": {
                "pix2pix": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
                "uvicorn": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
                "uvicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
                "uvicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
            },
        }
    )
