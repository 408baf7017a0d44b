"""Pack what a machine with a GPU lacks, for gpu.sh: `python benchmarks/gpu_pack.py`.

Into `.gpu/`, which git ignores: the packages, as one archive, which is smaller than their wheels,
and the rasters that `earth` is cut from, the relief map at the size that it is cut at.
Says how much there is, and how much it is together with the repository.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

from pix2pix_lib.data import get
from pix2pix_lib.files.earth import EARTH_ROWS, earth_rasters

REPOSITORY = Path(__file__).parents[1]
PACKED = REPOSITORY / ".gpu"
MOST = 64  # MiB that may travel, the repository included
# Versions as in constraints.txt, but for StringZilla: Albumentations asks for 3.10.4 or more, and
# newer ones are twelve times as large.
PACKAGES = (
    "albumentations==2.0.8", "albucore==0.0.24", "stringzilla==3.12.6", "simsimd==6.5.16",
    "pydantic==2.14.4", "pydantic-core==2.50.5", "annotated-types==0.8.0",
    "typing-inspection==0.4.4", "typing-extensions==4.16.0",
    "pooch==1.9.0", "platformdirs==4.14.8", "tomli-w==1.2.0",
)  # fmt: skip
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux1")


def pack_packages(path: Path, python: str) -> None:
    """The packages for this version of Python on x86-64 Linux."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
        ]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform={platform}_x86_64" for platform in PLATFORMS]
        subprocess.run([*command, *PACKAGES], check=True)
        site = Path(folder, "site")
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as file:
                file.extractall(site)
        with tarfile.open(path, "w:xz", preset=9) as file:
            file.add(site, ".")


def pack_earth(folder: Path) -> None:
    """Both rasters as JPEG, rows that no tile reaches left black, and where the tiles are."""
    folder.mkdir(exist_ok=True)
    shutil.copy(get("earth", root=REPOSITORY / "data") / "tiles.csv", folder)
    top, bottom = EARTH_ROWS
    for name, raster in zip(("satellite", "relief"), earth_rasters(), strict=True):
        picture = Image.new("RGB", raster.size)
        picture.paste(raster.crop((0, top, raster.width, bottom)), (0, top))
        quality = {"quality": 92, "subsampling": 0, "optimize": True, "progressive": True}
        picture.save(folder / f"{name}.jpg", **quality)


def mebibytes(files) -> float:
    return sum(path.stat().st_size for path in files if path.is_file()) / 2**20


def main() -> None:
    PACKED.mkdir(exist_ok=True)
    pack_packages(PACKED / "site.tar.xz", python="3.12")
    pack_earth(PACKED / "earth")
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=REPOSITORY, text=True)
    tracked = mebibytes(REPOSITORY / name for name in listed.split("\0") if name)
    packed = mebibytes(PACKED.rglob("*"))
    print(f"{packed:.1f} MiB in {PACKED}, {tracked:.1f} MiB in the repository: ", end="")
    print(f"{packed + tracked:.1f} of {MOST} MiB.")
    if packed + tracked > MOST:
        raise SystemExit("That is too much.")


if __name__ == "__main__":
    main()
