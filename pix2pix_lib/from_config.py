"""What the settings of a training stand for: its pairs and its networks."""

import torch
from torch import nn

from . import Pix2PixError
from .augment import eval_transform, train_transform
from .data import PairedImageFolder, find
from .discriminator import PatchBlock, PatchGAN
from .files.pairs import SomePairs, has_pairs
from .files.weights import weights_for
from .generator import DecoderBlock, EncoderBlock, UNetGenerator
from .runtime.config import TrainConfig
from .runtime.fitting import fit_to_device
from .runtime.speed import checkpoint_activations


def open_pairs(config: TrainConfig) -> tuple[PairedImageFolder | SomePairs, PairedImageFolder]:
    """The training pairs, augmented, and the pairs that samples are drawn from: val if there is.

    All of them have been read once: what cannot be is an error, or a warning, now.
    """
    root = find(config.data)
    augmentation = train_transform(
        config.load_size, config.size, mirror=config.mirror, zoom=config.zoom,
        rotate=config.rotate, colour_jitter=config.colour_jitter, noise=config.noise,
    )
    shared = {name: getattr(config, name) for name in ("direction", "broken", "white_level")}
    shared["size"] = config.load_size
    pairs = PairedImageFolder(
        root, "train", transform=augmentation, seed=config.seed, cache=config.cache, **shared
    )
    pairs.look_through()
    if config.pairs:
        pairs = SomePairs(pairs, config.pairs)
    if len(pairs) < config.batch_size:
        raise Pix2PixError(
            f"{root} has {len(pairs)} training pairs, too few for a batch of {config.batch_size}."
        )
    split = "val" if has_pairs(root, "val") else "train"
    # Read as training reads, so that a large file is decoded and shrunk in the same way.
    as_they_are = eval_transform(config.size, config.load_size)
    samples = PairedImageFolder(root, split, transform=as_they_are, **shared)
    if split == "val":
        samples.look_through()
    return pairs, samples


class TargetAlone(nn.Module):
    """Of a source and a target, (N, 6, H, W), the target (N, 3, H, W): the rest stays unseen."""

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        return pair[:, 3:]


def build_discriminator(config: TrainConfig) -> nn.Module:
    """A PatchGAN, which may be blind to the source; called with both pictures all the same."""
    settings = {name: getattr(config, name) for name in ("ndf", "n_layers", "norm")}
    if config.conditional:
        return PatchGAN(**settings)
    return nn.Sequential(TargetAlone(), PatchGAN(in_channels=3, **settings))


def plain_networks(config: TrainConfig) -> dict[nn.Module, tuple[int, int, int, int]]:
    """The generator, new or with the weights of `config.init`, and the discriminator of a run.

    With each comes the shape of the batches that it is trained on.
    """
    names = ("ngf", "size", "norm", "dropout", "skip", "up")
    generator = UNetGenerator(**{name: getattr(config, name) for name in names})
    if config.init:
        generator.load_state_dict(weights_for(generator.config, config.init))
    discriminator = build_discriminator(config)
    pictures, size = config.batch_size, config.size
    return {generator: (pictures, 3, size, size), discriminator: (pictures, 6, size, size)}


def build_networks(
    config: TrainConfig, device: torch.device
) -> tuple[UNetGenerator, nn.Module, str]:
    """The generator and the discriminator of a run, as they are fastest on the device.

    The third is the precision to train them in: as configured, or the faster one.
    """
    networks = plain_networks(config)
    precision = fit_to_device(networks, device, config.precision)
    for network in networks if config.activation_checkpointing else ():
        checkpoint_activations(network, (EncoderBlock, DecoderBlock, PatchBlock))
    return *networks, precision
