"""The settings of a training: one validated model, which options and `config.toml` come from."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .. import Pix2PixError


class PairConfig(BaseModel):
    """Which pairs a run learns from, and in how many versions it sees them."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    data: str = Field(
        "earth", min_length=1,
        description="data set: a name that `pix2pix data list` shows, or a folder of pairs",
    )
    direction: Literal["AtoB", "BtoA"] = Field(
        "AtoB", description="which half is translated into which; sets that are meant the other "
        "way, such as facades, are BtoA unless it is said"
    )
    white_level: float = Field(
        0.0, ge=0,
        description="the level that is white in pictures of more than 8 bits, such as 4095 where "
        "12 bits are kept in 16; 0: 65535 of 16 bits, 255 of 32, 1 of fractions",
    )
    size: int = Field(
        256, ge=64, le=4096,
        description="side of the training crops, and of the U-Net's input: a power of two",
    )
    load_size: int = Field(
        286, ge=64, le=8192, description="side that pictures are resized to before the crop"
    )
    mirror: Literal["horizontal", "diagonal", "none"] = Field(
        "horizontal", description="how every other pair is mirrored"
    )
    zoom: float = Field(1.0, ge=1, le=10, description="largest random enlargement; 1 is none")
    rotate: float = Field(
        0.0, ge=0, le=180, description="largest random rotation, in degrees either way"
    )
    colour_jitter: float = Field(
        0.0, ge=0, le=1, description="largest shift of the source's colours, as a share"
    )
    noise: float = Field(
        0.0, ge=0, le=1,
        description="strongest noise on the source, as a share of the full range",
    )
    cutmix: bool = Field(
        False, description="paste a rectangle of one pair of the batch into the next"
    )
    pairs: int = Field(
        0, ge=0, description="how many of the training pairs to learn from, spread over all; 0: all"
    )

    def __init__(self, **settings):
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise Pix2PixError(in_a_sentence(error)) from None

    @model_validator(mode="before")
    @classmethod
    def go_the_way_of_the_set(cls, settings: dict) -> dict:
        from ..files.sets import usual_direction  # not above: it loads much

        usual = usual_direction(settings.get("data", cls.model_fields["data"].default))
        return {"direction": usual} | settings

    @model_validator(mode="after")
    def check_sizes(self) -> Self:
        if self.size & (self.size - 1):
            raise ValueError(f"size is a power of two from 64 up, not {self.size}")
        if self.load_size < self.size:
            raise ValueError(
                f"load_size {self.load_size} is smaller than size {self.size}; a crop needs room"
            )
        return self

    def replace(self, **changes) -> Self:
        """The same settings but for `changes`, checked again."""
        return type(self)(**self.model_dump() | changes)


class TrainConfig(PairConfig):
    """Everything that decides what a run does; the defaults are the paper's (section 3.3)."""

    out: str = Field("runs/latest", min_length=1, description="folder of the run")
    epochs: int = Field(
        200, ge=1,
        description="passes over the training pairs; the learning rate falls over the second half, "
        "also of more than before on --resume, where it may then rise",
    )
    batch_size: int = Field(1, ge=1, description="pairs a step, all processes together")
    ngf: int = Field(64, ge=1, description="width of the generator's first layer")
    ndf: int = Field(64, ge=1, description="width of the discriminator's first layer")
    n_layers: int = Field(
        3, ge=0, le=5, description="depth of the discriminator; 3 sees patches of 70×70"
    )
    norm: Literal["instance", "batch", "none"] = Field(
        "instance", description="normalisation in both networks"
    )
    up: Literal["transpose", "resize"] = Field(
        "transpose", description="how the decoder doubles its size"
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="in the decoder's first three blocks: the paper's only noise"
    )
    init: str = Field(
        "",
        description="weights that the generator starts from, a bundled name or a file; "
        "empty: random ones",
    )
    skip: bool = Field(
        True, description="skip connections; without them the U-Net is an encoder-decoder"
    )
    conditional: bool = Field(
        True, description="the discriminator sees the source, too; without it, the target alone"
    )
    gan_mode: Literal["vanilla", "lsgan", "hinge", "none"] = Field(
        "vanilla", description="adversarial loss; none: L1 alone"
    )
    lambda_l1: float = Field(100.0, ge=0, description="weight of the L1 loss")
    learning_rate: float = Field(2e-4, gt=0, description="of both Adam optimisers")
    learning_rate_d: float = Field(
        0.0, ge=0, description="the discriminator's own learning rate; 0: the same"
    )
    ema: float = Field(
        0.0, ge=0, lt=1,
        description="decay of the running mean of the generator that is drawn with and saved; "
        "0 is none",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="arithmetic of the convolutions; auto: bf16 where it is fast"
    )
    compile: bool = Field(
        False, description="compile both networks with torch.compile, meant for GPUs"
    )
    cache: bool | Literal["auto"] = Field(
        "auto",
        description="keep the pairs, decoded and at load_size, in a file beside the pictures; "
        "auto: unless it would take more than 4 GB",
    )
    broken: Literal["stop", "skip"] = Field(
        "stop",
        description="what a pair that cannot be read does: stop the run, or let the next take "
        "its place",
    )
    activation_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, "
        "more time",
    )
    workers: int = Field(
        2, ge=0, description="processes that read pictures; 0 reads in the training process"
    )
    save_every: int = Field(
        500, ge=1, description="steps from one checkpoint and sample picture to the next"
    )
    log_every: int = Field(
        20, ge=1, description="steps from one row of results.csv to the next"
    )
    tensorboard: bool = Field(
        False, description="write losses and samples for TensorBoard, too"
    )
    device: str = Field(
        "auto", min_length=1, description="cpu, cuda, mps, or auto for the best there is"
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="of weights, order, augmentation and dropout"
    )

    @model_validator(mode="after")
    def check_discriminator(self) -> Self:
        if self.n_layers and self.size // 2**self.n_layers < 3:
            raise ValueError(
                f"n_layers {self.n_layers} leaves nothing of a picture of {self.size} pixels: "
                "take fewer layers, or a larger size"
            )
        return self


def in_a_sentence(error: ValidationError) -> str:
    """The first thing that is wrong with the settings, in words for whoever gave them."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        return f"{first['ctx']['error']}."
    name = first["loc"][0]
    if first["type"] == "extra_forbidden":
        return no_such_setting(name)
    expected = first["msg"].replace("Input should", "it should")
    return f"{name} cannot be {first['input']!r}: {expected}."


def no_such_setting(name: str) -> str:
    known = ", ".join(sorted(TrainConfig.model_fields))
    return f"There is no setting {name!r}; known are {known}."


def read_config(path: str | Path) -> dict:
    """The settings in a TOML file, each of them known: `TrainConfig(**read_config(path))`."""
    path = Path(path)
    try:
        # Some editors on Windows begin a file with a mark, which TOML does not know.
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise Pix2PixError(f"There is no config file {path}.") from None
    except OSError as error:
        raise Pix2PixError(f"{path} is no file that can be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Pix2PixError(f"{path} is not TOML: {error}.") from None
    if unknown := sorted(settings.keys() - TrainConfig.model_fields.keys()):
        raise Pix2PixError(f"{path}: {no_such_setting(unknown[0])}")
    return settings
