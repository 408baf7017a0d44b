"""What can be set from outside, each by an environment variable `PIX2PIX_…`."""

from pydantic import DirectoryPath, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The limits of the service. `PIX2PIX_MAX_FILES=5` in the environment sets `max_files`."""

    model_config = SettingsConfigDict(env_prefix="PIX2PIX_", frozen=True)

    max_bytes: PositiveInt = 10_000_000  # of one request's body
    max_megapixels: PositiveFloat = 16.0  # of one picture
    max_files: PositiveInt = 20  # in one batch
    queue_size: PositiveInt = 16  # requests that are worked on or wait; more are refused
    timeout_seconds: PositiveFloat = 30.0  # from the first byte in to the first byte out
    models_dir: DirectoryPath | None = None  # weights to serve beside the bundled ones

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)


def load_settings() -> Settings:
    """Read the environment; a value that cannot be used ends the program with one sentence."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"PIX2PIX_{first['loc'][0]}".upper()
        raise SystemExit(f"{name}={first['input']} cannot be used: {first['msg']}.") from None
