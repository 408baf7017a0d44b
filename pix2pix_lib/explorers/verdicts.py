"""Lesson 4: what trained discriminators say of real and of translated pictures, patch by patch."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from .. import Pix2PixError
from ..augment import eval_transform
from ..data import PairedImageFolder, denormalise, normalise
from ..discriminator import PatchGAN
from ..files.weights import read_weights
from .frame import Explorer
from .pairs import pair_by_number

Triple = Mapping[str, torch.Tensor]  # "source", "real" and "fake" target, (3, H, W) in [-1, 1]


def load_discriminators(path: str | Path) -> dict[int, PatchGAN]:
    """The trained discriminators in a file of `benchmarks/discriminators.py`, by `n_layers`."""
    try:
        weights, config, _ = read_weights(path)
        settings = config["discriminators"]  # of each
        discriminators = {each["n_layers"]: PatchGAN(**each) for each in settings}
        for n_layers, network in discriminators.items():
            names = network.state_dict()
            network.load_state_dict({name: weights[f"{n_layers}.{name}"] for name in names})
    except (Pix2PixError, LookupError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".:")
        raise Pix2PixError(
            f"{path} holds no trained discriminators ({type(error).__name__}: {reason}); "
            "`python benchmarks/discriminators.py` writes them."
        ) from None
    return {n: network.eval().requires_grad_(False) for n, network in discriminators.items()}


def translate_item(generator: torch.nn.Module, item: dict) -> dict[str, torch.Tensor]:
    """A pair of a `PairedImageFolder` as "source", "real" and "fake" target, each (3, H, W).

    The fake is rounded to the 256 levels of a picture: unrounded numbers would give it away.
    """
    with torch.no_grad():
        fake = normalise(denormalise(generator(item["source"][None])[0]))
    return {"source": item["source"], "real": item["target"], "fake": fake}


def logit_maps(discriminator: torch.nn.Module, triple: Triple) -> dict[str, torch.Tensor]:
    """Logits, (h, w), of the "real" and the "fake" target, each together with the source."""
    pairs = torch.stack([torch.cat([triple["source"], triple[name]]) for name in ("real", "fake")])
    with torch.no_grad():
        return dict(zip(("real", "fake"), discriminator(pairs)[:, 0], strict=True))


def discriminator_scores(maps: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Shares of the "real" and of the "fake" logits that say real, and the mean "loss" of both."""
    shares = {name: (logits > 0).float().mean().item() for name, logits in maps.items()}
    loss = (F.softplus(-maps["real"]).mean() + F.softplus(maps["fake"]).mean()) / 2
    return shares | {"loss": loss.item()}


def patch_geometry(n_layers: int) -> tuple[int, int, int]:
    """In pixels: the side of a patch, the step to the next one, the rim without a verdict."""
    if n_layers == 0:
        return 1, 1, 0
    step = 2**n_layers
    return 9 * step - 2, step, step  # the recurrence, for n halvings and two more layers


def overlay_logits(
    axis: Axes, picture: torch.Tensor, logits: torch.Tensor, n_layers: int, opacity: float
) -> None:
    """A picture (3, H, W) in grey; on it each logit (h, w), over the middle of its patch."""
    (height, width), (rows, columns) = picture.shape[1:], logits.shape
    _, step, rim = patch_geometry(n_layers)
    edges = [rim, rim + step * columns, rim + step * rows, rim]  # left, right, bottom, top
    axis.imshow(denormalise(picture).mean(axis=2), cmap="gray", vmin=0, vmax=255)
    extent = [edge - 0.5 for edge in edges]  # pixel 0 is drawn from -0.5 to 0.5
    axis.imshow(logits.numpy(), cmap="RdBu", vmin=-4, vmax=4, alpha=opacity, extent=extent)
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axis.set_axis_off()


def fit_triple(
    triple: Triple, size: int, fit: str = "cut", shift: int = 0
) -> dict[str, torch.Tensor]:
    """Shift the pictures (3, H, W) right and down, then "cut" or "resize" them to `size`×`size`.

    A shift repeats the first row and column. A cut is from the middle but for a step of at most 32
    pixels, to stay on the grid of every discriminator; one too large raises `Pix2PixError`.
    """
    height, width = triple["source"].shape[1:]
    pictures = F.pad(torch.stack(list(triple.values())), (shift, 0, shift, 0), mode="replicate")
    pictures = pictures[:, :, :height, :width]
    if fit == "resize":
        pictures = F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
    elif size > min(height, width):
        raise Pix2PixError(
            f"{size}×{size} pixels cannot be cut from pictures of {height}×{width}: resize them."
        )
    else:
        top, left = ((length - size) // 64 * 32 for length in (height, width))
        pictures = pictures[:, :, top : top + size, left : left + size]
    return dict(zip(triple, pictures, strict=True))


def check_large_enough(n_layers: int, height: int, width: int) -> None:
    """Refuse pictures on which a PatchGAN has no logit left."""
    _, step, _ = patch_geometry(n_layers)
    smallest = 3 * step if n_layers else 2  # the last layers take two rows; a norm needs two places
    if min(height, width) < smallest:
        raise Pix2PixError(
            f"With n_layers={n_layers}, the smallest picture that works has {smallest}×{smallest} "
            f"pixels; this one has {height}×{width}."
        )


def describe_logits(n_layers: int, size: torch.Size, maps: Mapping[str, torch.Tensor]) -> str:
    """In words: the grid of a discriminator on pictures of this size, and how right it is."""
    (height, width), (rows, columns) = size, maps["real"].shape
    patch, scores = patch_geometry(n_layers)[0], discriminator_scores(maps)
    return (
        f"n_layers={n_layers} on {height}×{width} pixels: {rows}×{columns} verdicts, patches of "
        f"{patch}×{patch}.\nCalled real: {scores['real']:.0%} of the patches of the real target, "
        f"{scores['fake']:.0%} of the fake one.\nLoss {scores['loss']:.2f}; guessing costs 0.69."
    )


def draw_logits(
    discriminator: PatchGAN, triple: Triple, opacity: float = 0.7
) -> tuple[Figure, str]:
    """Source, real and fake target, below what a discriminator says of them; also in words."""
    n_layers, size = discriminator.config["n_layers"], triple["source"].shape[1:]
    check_large_enough(n_layers, *size)
    maps = logit_maps(discriminator, triple)
    figure = Figure(figsize=(9, 6.3), dpi=75)
    for column, (name, picture) in enumerate(triple.items()):
        axis = figure.add_axes((0.01 + 0.33 * column, 0.51, 0.32, 0.45))
        axis.imshow(denormalise(picture))
        axis.set_title(f"{name} target" if column else "source; red: one patch", fontsize=10)
        axis.set_axis_off()
        if name in maps:
            below = figure.add_axes((0.01 + 0.33 * column, 0.01, 0.32, 0.45))
            overlay_logits(below, picture, maps[name], n_layers, opacity)
            below.set_title(f"verdicts on the {name} target", fontsize=10)
    frame_patch(figure.axes[0], n_layers, maps["real"].shape)
    bar, label = figure.add_axes((0.04, 0.24, 0.26, 0.04)), "logit: red says fake, blue says real"
    colours = ScalarMappable(Normalize(-4, 4), "RdBu")
    figure.colorbar(colours, bar, orientation="horizontal", label=label)
    return figure, describe_logits(n_layers, size, maps)


def frame_patch(axis: Axes, n_layers: int, grid: tuple[int, int]) -> None:
    """A red frame around the patch in the middle of a grid (rows, columns) of logits."""
    patch, step, rim = patch_geometry(n_layers)
    top, left = (rim + step * (count // 2 + 0.5) - patch / 2 - 0.5 for count in grid)
    axis.add_patch(Rectangle((left, top), patch, patch, fill=False, color="red", lw=2))


def explore_logits(
    discriminators: Mapping[int, PatchGAN],
    generator: torch.nn.Module,
    root: str | Path,
    split: str = "val",
    number: int = 1,
) -> Explorer:
    """What discriminators, given by `n_layers`, say of real and of fake targets, at any size."""
    side = generator.config["size"]
    transform = eval_transform(side, load_size=round(side * 286 / 256))  # the scale of training
    pairs = PairedImageFolder(root, split, transform=transform)

    @lru_cache(8)
    def translated(number: int) -> dict[str, torch.Tensor]:
        return translate_item(generator, pair_by_number(pairs, number))

    translated(number)  # raises if there is no such pair

    def draw(number: int, n_layers: int, opacity: float, **wanted) -> tuple[Figure, str]:
        triple = fit_triple(translated(number), **wanted)
        figure, text = draw_logits(discriminators[n_layers], triple, opacity)
        return figure, f"Pair {number} of {len(pairs)} in {split}. {text}"

    patches = {n: patch_geometry(n)[0] for n in sorted(discriminators)}
    depths = [(f"{n}: patches of {patch}×{patch}", n) for n, patch in patches.items()]
    first = 3 if 3 in patches else max(patches)
    return Explorer(
        draw,
        number=ipywidgets.IntSlider(number, 1, len(pairs), description="pair"),
        n_layers=ipywidgets.SelectionSlider(options=depths, value=first, description="n_layers"),
        size=ipywidgets.IntSlider(side, 2, 2 * side, description="size"),
        fit=ipywidgets.ToggleButtons(options=["cut", "resize"]),
        shift=ipywidgets.IntSlider(0, 0, 32, description="shift"),
        opacity=ipywidgets.FloatSlider(value=0.7, max=1, step=0.05, description="opacity"),
    )
