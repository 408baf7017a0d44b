"""Train one small pix2pix under six objectives and keep what each of them draws.

From the adversarial loss alone (λ = 0) over growing weights λ of L1 to L1 alone; all else is the
same: first weights, pairs, their order and their jitter. Lesson 6 shows what is written here:

    sheet.jpg   a row for each of a few validation pairs: source, a translation by each, target
    grid.json   settings, scores of each objective on the validation split, device and date

Prints the scores of each objective as one JSON line. About five minutes on one processor core.
"""

import argparse
import datetime
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import PairedImageFolder, denormalise, find
from pix2pix_lib.evaluation import measure, scores_of
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.runtime.checkpoint import FREE_TO_CHANGE
from pix2pix_lib.runtime.config import TrainConfig
from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.training import Trainer, batches, descend, train_step

RESULTS = Path(__file__).parents[1] / "results" / "objective_grid"
CONFIG = TrainConfig(
    size=128, load_size=286, mirror="diagonal", ngf=16, ndf=16, epochs=1, learning_rate=5e-4,
    workers=0, precision="fp32", cache=False,
)
OBJECTIVES = {  # name: λ, the weight of L1 beside the adversarial loss; None: L1 alone
    "GAN alone": 0, "GAN + 1·L1": 1, "GAN + 10·L1": 10, "GAN + 100·L1": 100,
    "GAN + 1000·L1": 1000, "L1 alone": None,
}
VARIED = {"lambda_l1"}  # by the grid itself
SHOWN = 6  # validation pairs on the sheet, spread over the split


def train_on(trainer: Trainer, batch: dict, lambda_l1: float | None) -> None:
    """One step under one objective; without a discriminator where `lambda_l1` is None."""
    batch = {side: batch[side].to(trainer.device) for side in ("source", "target")}
    if lambda_l1 is None:
        fake_target = trainer.generator(batch["source"])
        descend(trainer.optimizer_g, F.l1_loss(fake_target, batch["target"]))
    else:
        train_step(
            generator=trainer.generator, discriminator=trainer.discriminator,
            optimizer_g=trainer.optimizer_g, optimizer_d=trainer.optimizer_d,
            batch=batch, gan_loss=trainer.gan_loss, lambda_l1=lambda_l1,
        )
        trainer.schedule_d.step()
    trainer.schedule_g.step()


def train(config: TrainConfig, lambda_l1: float | None, pairs: PairedImageFolder) -> Trainer:
    """A trainer after all its steps."""
    total_steps = config.epochs * (len(pairs) // config.batch_size)
    trainer = Trainer(config, total_steps)
    for batch in tqdm(batches(pairs, config, 0, trainer.processes), total=total_steps, unit="step"):
        train_on(trainer, batch, lambda_l1)
    return trainer


@torch.inference_mode()
def translate(trainer: Trainer, pairs: PairedImageFolder) -> tuple[dict, torch.Tensor]:
    """Scores on all pairs, and the translations (SHOWN, 3, size, size) of those on the sheet."""
    trainer.generator.eval()
    sums, translations = Counter(), []
    for batch in DataLoader(pairs, batch_size=8):
        fake_target = trainer.generator(batch["source"].to(trainer.device)).cpu()
        for fake, real in zip(fake_target, batch["target"], strict=True):
            sums.update(measure(fake_target=fake, target=real))  # adds to what is there
        translations.append(fake_target)
    scores = {name: round(score, 4) for name, score in scores_of(sums).items()}
    return scores, torch.cat(translations)[shown(pairs)]


def shown(pairs: PairedImageFolder) -> list[int]:
    """The indices of the pairs on the sheet."""
    return np.linspace(0, len(pairs) - 1, SHOWN + 2).round().astype(int).tolist()[1:-1]


def write_sheet(columns: list[torch.Tensor], path: Path) -> None:
    """Columns of pictures, each (SHOWN, 3, size, size) in [-1, 1], as one JPEG."""
    rows = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    Image.fromarray(denormalise(rows)).save(path, quality=88)


def make_grid(config: TrainConfig, out: Path) -> None:
    """Train and score every objective, print its scores, then write the sheet and `grid.json`."""
    train_pairs, val_pairs = open_pairs(config)
    examples = [val_pairs[index] for index in shown(val_pairs)]
    columns, objectives = [torch.stack([pair["source"] for pair in examples])], []
    for name, lambda_l1 in OBJECTIVES.items():
        trainer = train(config, lambda_l1, train_pairs)
        scores, translations = translate(trainer, val_pairs)
        columns.append(translations)
        objectives.append({"name": name, "lambda_l1": lambda_l1, "scores": scores})
        print(json.dumps(objectives[-1], ensure_ascii=False), flush=True)
    columns.append(torch.stack([pair["target"] for pair in examples]))

    settings = config.replace(data=find(config.data).name).model_dump().items()
    grid = {
        "objectives": objectives, "pairs": [pair["name"] for pair in examples],
        "steps": trainer.total_steps, "train_pairs": len(train_pairs), "val_pairs": len(val_pairs),
        "config": {name: value for name, value in settings if name not in FREE_TO_CHANGE | VARIED},
        "date": datetime.date.today().isoformat(), "device": device_name(trainer.device),
        "torch": torch.__version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_sheet(columns, out / "sheet.jpg")
    content = json.dumps(grid, indent=1, ensure_ascii=False) + "\n"
    (out / "grid.json").write_text(content, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="earth", help="data set or folder (default: earth)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs, help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        make_grid(CONFIG.replace(data=arguments.data, epochs=arguments.epochs), arguments.out)
    except Pix2PixError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
