"""Pictures to try, which come along with the course."""

from pathlib import Path

from page.client import Picture

HERE = Path(__file__).parent
# By model; the same name is the same place.
SAMPLES = {
    "earth_sat2map": HERE.parents[1] / "data" / "samples",
    "earth_map2sat": HERE / "maps",
}


def samples(model: str) -> dict[str, Picture]:
    """The pictures to try on a model, by name."""
    paths = sorted(SAMPLES[model].glob("*.jpg")) if model in SAMPLES else []
    return {path.stem: Picture(path.name, path.read_bytes(), sample=path.stem) for path in paths}
