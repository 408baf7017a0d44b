"""The generators that are served: found in two folders, loaded once, addressed by id alone."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, Field

from pix2pix_lib import Pix2PixError
from pix2pix_lib.files.weights import bundled_weights
from pix2pix_lib.inference import Translator

DEFAULT = "earth_sat2map"


class ModelDescription(BaseModel):
    """A model's card, as it was written when the weights were."""

    id: str = Field(examples=[DEFAULT])
    direction: str | None = Field(
        examples=["AtoB"], description="A is satellite, B is map in `earth`"
    )
    size: int = Field(examples=[256], description="side of the tiles it works on, in pixels")
    parameters: int = Field(examples=[7_655_619])
    sha256: str = Field(description="of the weights' file")
    training_data: str | None = Field(examples=["earth"])
    licence: str | None = Field(examples=["MIT"])
    date: str | None = Field(examples=["2026-11-24"])
    metrics: dict[str, float | str] = Field(description="the scorecard on the validation split")


@dataclass(frozen=True)
class Model:
    """A translator that is ready, and what is told about it."""

    translator: Translator
    description: ModelDescription

    @property
    def id(self) -> str:
        return self.description.id


def find_models(folder: Path | None) -> list[tuple[str, Path]]:
    """Id and file of the bundled weights, then of those in `folder`; ids are the files' names."""
    own = sorted(folder.glob("[!.]*.safetensors")) if folder else []
    return [*bundled_weights().items(), *((path.stem, path) for path in own)]


def load_model(identifier: str, path: Path) -> Model:
    """Load weights, and translate a picture with them; what cannot be served raises an error."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier):
        raise Pix2PixError(f"{path}: a model's name is of letters, digits, '_' and '-'; rename it.")
    if path != bundled_weights().get(identifier, path):
        raise Pix2PixError(f"{path} has the name of bundled weights; rename it.")
    translator = Translator.load(path)
    card = translator.card if isinstance(translator.card, dict) else {}
    texts = {name: str(card[name]) for name in ("direction", "licence", "date") if name in card}
    description = ModelDescription(
        id=identifier,
        size=translator.generator.config["size"],
        parameters=sum(weight.numel() for weight in translator.generator.parameters()),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        training_data=card.get("data"),
        metrics=card.get("metrics", {}),
        **{"direction": None, "licence": None, "date": None} | texts,
    )
    translator.translate(Image.new("RGB", (64, 64)))  # what works once is ready
    return Model(translator, description)
