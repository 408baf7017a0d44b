"""What the settings of a training stand for: its pairs and its networks."""

import torch

from . import Pix2PixError
from .augment import eval_transform, train_transform
from .data import PairedImageFolder, find
from .discriminator import PatchBlock, PatchGAN
from .files.weights import weights_for
from .generator import DecoderBlock, EncoderBlock, UNetGenerator
from .runtime.config import TrainConfig
from .runtime.speed import checkpoint_activations, to_device


def open_pairs(config: TrainConfig) -> tuple[PairedImageFolder, PairedImageFolder]:
    """The training pairs, augmented, and the pairs that samples are drawn from: val if there is."""
    root = find(config.data)
    augmentation = train_transform(
        config.load_size, config.size, mirror=config.mirror, zoom=config.zoom,
        rotate=config.rotate, colour_jitter=config.colour_jitter, noise=config.noise,
    )
    shared = {"direction": config.direction, "broken": config.broken}
    pairs = PairedImageFolder(
        root, "train", transform=augmentation, seed=config.seed, size=config.load_size,
        cache=config.cache, **shared,
    )
    if len(pairs) < config.batch_size:
        raise Pix2PixError(
            f"{root} has {len(pairs)} training pairs, too few for a batch of {config.batch_size}."
        )
    split = "val" if (root / "val").is_dir() else "train"
    as_they_are = eval_transform(config.size, config.load_size)
    return pairs, PairedImageFolder(root, split, transform=as_they_are, **shared)


def build_networks(config: TrainConfig, device: torch.device) -> tuple[UNetGenerator, PatchGAN]:
    """The generator, new or with the weights of `config.init`, and the discriminator of a run."""
    settings = {name: getattr(config, name) for name in ("ngf", "size", "norm", "dropout", "up")}
    generator = UNetGenerator(**settings)
    if config.init:
        generator.load_state_dict(weights_for(generator.config, config.init))
    discriminator = PatchGAN(ndf=config.ndf, n_layers=config.n_layers, norm=config.norm)
    networks = to_device(generator, device), to_device(discriminator, device)
    for network in networks if config.activation_checkpointing else ():
        checkpoint_activations(network, (EncoderBlock, DecoderBlock, PatchBlock))
    return networks
