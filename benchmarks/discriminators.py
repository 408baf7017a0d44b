"""Train six small discriminators, `n_layers` 0 … 5, against a frozen generator.

They learn to tell the real targets of the training split from the generator's translations, which
are made once, before. Lesson 4 shows what is written here:

    discriminators.safetensors   all six in half precision; the header holds what the other holds
    discriminators.json          what each of them scores on the validation split, settings, date,
                                 device

Prints the scores of each as one JSON line. About three minutes on one processor core.
"""

import argparse
import datetime
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from pix2pix_lib import Pix2PixError, data
from pix2pix_lib.augment import eval_transform, train_transform
from pix2pix_lib.data import denormalise
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.explorers.verdicts import discriminator_scores, logit_maps, translate_item
from pix2pix_lib.files.weights import write_weights
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.device import device_name

RESULTS = Path(__file__).parents[1] / "results"
DEPTHS = range(6)
NDF, BATCH, LEARNING_RATE, SEED = 8, 2, 5e-4, 0
TRAIN_PAIRS, VAL_PAIRS = 300, 100  # at most; spread over the split


def translate(pairs: data.PairedImageFolder, most: int, generator: torch.nn.Module) -> np.ndarray:
    """Source, real and fake target of pairs spread over a split: (N, 3, size, size, 3) uint8."""
    chosen = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).round().astype(int)
    size = generator.config["size"]
    triples = np.empty((len(chosen), 3, size, size, 3), np.uint8)
    for triple, index in zip(triples, tqdm(chosen, desc="translating", unit="pair"), strict=True):
        triple[:] = [denormalise(side) for side in translate_item(generator, pairs[index]).values()]
    return triples


def sides(triples: np.ndarray) -> torch.Tensor:
    """(N, 3, size, size, 3) uint8 as source, real and fake, (3, N, 3, size, size) in [-1, 1]."""
    return torch.from_numpy(triples).permute(1, 0, 4, 2, 3).float() / 127.5 - 1


def train(n_layers: int, triples: np.ndarray, steps: int) -> PatchGAN:
    """A discriminator after `steps` steps on random pairs, whole, as a training shows them."""
    torch.manual_seed(SEED)
    discriminator = PatchGAN(ndf=NDF, n_layers=n_layers)
    adam = torch.optim.Adam(discriminator.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))
    for _ in tqdm(range(steps), desc=f"n_layers={n_layers}", unit="step"):
        source, real, fake = sides(triples[torch.randint(len(triples), (BATCH,)).numpy()])
        on_real, on_fake = (
            discriminator(torch.cat([source, side], dim=1)) for side in (real, fake)
        )
        loss = (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()) / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
    return discriminator.half().float().eval()  # as it will be read from the file


def score(discriminator: PatchGAN, triples: np.ndarray) -> dict[str, float]:
    """Means over pairs: loss, share of right verdicts, and of pairs whose mean logits are right."""
    losses, verdicts, pictures = [], [], []
    for triple in triples:
        named = dict(zip(("source", "real", "fake"), sides(triple[None])[:, 0], strict=True))
        maps = logit_maps(discriminator, named)
        scores = discriminator_scores(maps)
        losses.append(scores["loss"])
        verdicts.append((scores["real"] + 1 - scores["fake"]) / 2)
        pictures.append((float(maps["real"].mean() > 0) + float(maps["fake"].mean() < 0)) / 2)
    means = {"loss": losses, "verdicts_right": verdicts, "pictures_right": pictures}
    return {name: round(float(np.mean(values)), 4) for name, values in means.items()}


def save_discriminators(discriminators: list[PatchGAN], path: Path, facts: dict) -> None:
    """All weights in one file, each under its network's `n_layers`."""
    weights = {
        f"{network.config['n_layers']}.{name}": tensor
        for network in discriminators
        for name, tensor in network.state_dict().items()
    }
    config = {"discriminators": [network.config for network in discriminators]}
    write_weights(path, weights, config, facts)


def make_discriminators(folder: Path, weights: str, steps: int, out: Path) -> None:
    """Translate, train and score; print each one's scores, then write both files."""
    generator, card = load_generator(weights)
    size = generator.config["size"]
    geometry, direction = (round(size * 286 / 256), size), card["direction"]
    jitter = train_transform(*geometry, mirror="diagonal")
    sets = {
        "train": data.PairedImageFolder(folder, "train", direction, jitter, seed=SEED),
        "val": data.PairedImageFolder(folder, "val", direction, eval_transform(*geometry[::-1])),
    }
    train_triples = translate(sets["train"], TRAIN_PAIRS, generator)
    val_triples = translate(sets["val"], VAL_PAIRS, generator)
    discriminators, scores = [], []
    for n_layers in DEPTHS:
        discriminators.append(train(n_layers, train_triples, steps))
        scores.append({"n_layers": n_layers} | score(discriminators[-1], val_triples))
        print(json.dumps(scores[-1]), flush=True)
    facts = {
        "discriminators": scores, "generator": weights, "data": folder.name, "steps": steps,
        "batch_size": BATCH, "ndf": NDF, "learning_rate": LEARNING_RATE, "seed": SEED,
        "train_pairs": len(train_triples), "val_pairs": len(val_triples),
        "date": datetime.date.today().isoformat(), "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    save_discriminators(discriminators, out / "discriminators.safetensors", facts)
    (out / "discriminators.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="earth", help="data set or folder (default: earth)")
    parser.add_argument(
        "--weights", default="earth_sat2map", help="makes the fakes (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="for each (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        folder = data.find(arguments.data)
        make_discriminators(folder, arguments.weights, arguments.steps, arguments.out)
    except Pix2PixError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
