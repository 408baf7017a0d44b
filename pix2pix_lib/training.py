"""The training step, the loop around it, and what a run carries from step to step."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Subset
from tqdm.auto import tqdm

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import cut_mix
from pix2pix_lib.data import PairedImageFolder, denormalise
from pix2pix_lib.from_config import build_networks, open_pairs
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.objective import GANLoss, discriminator_loss, generator_loss
from pix2pix_lib.runtime.config import TrainConfig
from pix2pix_lib.runtime.device import choose_precision, random_state, restore_random_state
from pix2pix_lib.runtime.failures import check_losses, explained, watch_workers
from pix2pix_lib.runtime.processes import Processes
from pix2pix_lib.runtime.run import Run, model_card
from pix2pix_lib.runtime.signals import leave_signals_alone, stop_signals
from pix2pix_lib.runtime.speed import for_training, keep_memory, match_layout


def train_step(
    generator: nn.Module, discriminator: nn.Module,
    optimizer_g: torch.optim.Optimizer, optimizer_d: torch.optim.Optimizer,
    batch: dict[str, torch.Tensor], gan_loss: GANLoss, lambda_l1: float = 100,
) -> dict[str, torch.Tensor]:
    """One step of the discriminator, then one of the generator (section 3.3); returns the losses.

    `generator` maps a source (N, 3, H, W) in [-1, 1] to a target of the same shape and range,
    `discriminator` a pair (N, 6, H, W) to logits of any shape; each optimiser holds the weights of
    its network. `batch` has "source" and "target", (N, 3, H, W), on their device. The losses "d",
    "g_gan" and "g_l1" are scalars, detached.
    """
    source, target = batch["source"], batch["target"]
    fake_target = generator(source)  # (N, 3, H, W)

    real_logits = discriminator(torch.cat([source, target], dim=1))
    # detach: this step is the discriminator's, nothing may flow back into the generator
    fake_logits = discriminator(torch.cat([source, fake_target.detach()], dim=1))
    loss_d = discriminator_loss(real_logits, fake_logits, gan_loss)
    descend(optimizer_d, loss_d)

    discriminator.requires_grad_(False)  # its gradients would be thrown away: do not compute them
    fake_logits = discriminator(torch.cat([source, fake_target], dim=1))
    loss_g = generator_loss(fake_logits, fake_target, target, gan_loss, lambda_l1)
    descend(optimizer_g, loss_g.total)
    discriminator.requires_grad_(True)
    return {"d": loss_d.detach(), "g_gan": loss_g.gan.detach(), "g_l1": loss_g.l1.detach()}


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of an optimiser down the gradient of a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def learning_rate_factor(step: int, total_steps: int) -> float:
    """1 for the first half of the run, then a straight line down to 0 at its end."""
    return min(1.0, 2 * (1 - step / total_steps))


def adam_with_schedule(network: nn.Module, learning_rate: float, total_steps: int):
    """Adam with the paper's betas (section 3.3), and the schedule of its learning rate."""
    adam = torch.optim.Adam(network.parameters(), learning_rate, betas=(0.5, 0.999), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda step: learning_rate_factor(step, total_steps)
    )
    return adam, schedule


def running_mean(generator: nn.Module, decay: float) -> AveragedModel | None:
    """The mean of a generator's weights over the last steps, about 1 / (1 - decay) of them."""
    if not decay:
        return None
    return AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


class Trainer:
    """All that a run carries from step to step; `average` is None without `ema`."""

    PARTS = ("generator", "discriminator", "optimizer_g", "optimizer_d", "schedule_g", "schedule_d")

    def __init__(self, config: TrainConfig, total_steps: int, processes: Processes | None = None):
        self.config, self.step, self.total_steps = config, 0, total_steps
        self.processes = processes or Processes(config)  # one, unless `torchrun` has started more
        self.device = self.processes.device
        self.precision = choose_precision(config.precision, self.device)
        torch.manual_seed(config.seed)
        self.generator, self.discriminator = build_networks(config, self.device)
        self.average = running_mean(self.generator, config.ema)
        self.networks = [  # as they are called in training: lesson 8
            for_training(network, self.precision, config.compile, self.processes)
            for network in (self.generator, self.discriminator)
        ]
        rate = config.learning_rate
        self.optimizer_g, self.schedule_g = adam_with_schedule(self.generator, rate, total_steps)
        self.optimizer_d, self.schedule_d = adam_with_schedule(self.discriminator, rate, total_steps)
        self.gan_loss = GANLoss(config.gan_mode)
        self.processes.seed_dropout(config.seed)

    def train_on(self, batch: dict) -> dict[str, torch.Tensor]:
        """One `train_step` on a batch from the loader, one step of the schedules; the losses."""
        if self.config.cutmix:
            batch = cut_mix(batch)
        layout = {"memory_format": torch.channels_last, "non_blocking": True}
        batch = {side: batch[side].to(self.device, **layout) for side in ("source", "target")}
        optimizers = self.optimizer_g, self.optimizer_d
        losses = train_step(*self.networks, *optimizers, batch, self.gan_loss, self.config.lambda_l1)
        if self.average:
            self.average.update_parameters(self.generator)
        self.schedule_g.step()
        self.schedule_d.step()
        self.step += 1
        return losses

    @property
    def best_generator(self) -> UNetGenerator:
        """The one to draw with: the running mean where there is one, else the one in training."""
        return self.average.module if self.average else self.generator

    def state_dict(self) -> dict:
        """Everything that an unbroken run would have carried on with, random states included."""
        state = {name: getattr(self, name).state_dict() for name in self.PARTS}
        if self.average:
            state["average"] = self.average.state_dict()
        state |= {"step": self.step, "config": self.config.model_dump()}
        return state | random_state(self.device)

    def load_state_dict(self, state: dict) -> None:
        """Put `state_dict` back, on whatever device it was written; the settings are the same."""
        for name in (*self.PARTS, *(["average"] if self.average else [])):
            getattr(self, name).load_state_dict(state[name])
        match_layout(self.optimizer_g, self.optimizer_d)
        self.step = state["step"]
        restore_random_state(state, self.device)
        self.processes.seed_dropout(self.config.seed + self.step)


def batches(
    pairs: PairedImageFolder, config: TrainConfig, first_step: int, processes: Processes
) -> Iterator[dict]:
    """All batches from `first_step` on, of each this process's share.

    Their order depends on seed and epoch alone, so a run that is carried on sees what it would have.
    """
    share = config.batch_size // processes.count
    mine = slice(processes.rank * share, (processes.rank + 1) * share)
    steps_per_epoch = len(pairs) // config.batch_size
    for epoch in range(first_step // steps_per_epoch, config.epochs):
        order = torch.Generator().manual_seed(config.seed + epoch)
        indices = torch.randperm(len(pairs), generator=order)
        indices = indices[: steps_per_epoch * config.batch_size].view(-1, config.batch_size)
        done = max(first_step - epoch * steps_per_epoch, 0)
        pairs.epoch = epoch
        loader = DataLoader(
            Subset(pairs, indices[done:, mine].flatten().tolist()), share,
            num_workers=config.workers, pin_memory=processes.device.type == "cuda",
            worker_init_fn=leave_signals_alone,
            generator=order,  # else each loader draws from the random state that dropout uses
        )
        yield from watch_workers(loader)


def sample_grid(trainer: Trainer, pairs: PairedImageFolder, count: int = 4) -> Image.Image:
    """Rows of source, translation and target for `count` pairs spread over a data set."""
    generator, rows = trainer.best_generator.eval(), []
    for index in np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int):
        pair = pairs[index]
        with torch.no_grad():
            fake_target = generator(pair["source"][None].to(trainer.device))[0]
        pictures = [denormalise(picture) for picture in (pair["source"], fake_target, pair["target"])]
        rows.append(np.concatenate(pictures, axis=1))
    trainer.generator.train()  # drawing with it has put it into evaluation mode
    return Image.fromarray(np.concatenate(rows))


def fit(config: TrainConfig, resume: bool = False) -> Path:
    """Train as `config` says; returns the run's folder, with `generator.safetensors` in it.

    `resume=True` carries on from the folder's checkpoint, to the very bits that an unbroken run on
    the same machine would have reached. SIGINT and SIGTERM save before they end the run.
    """
    keep_memory()
    train_pairs, sample_pairs = open_pairs(config)
    total_steps = config.epochs * (len(train_pairs) // config.batch_size)
    with explained(config):
        trainer = Trainer(config, total_steps)
        card = model_card(config, len(train_pairs), trainer.precision, trainer.device)
        run = Run(config, trainer.processes, resume, card)
        if run.checkpoint:
            trainer.load_state_dict(run.checkpoint)
        train(trainer, run, train_pairs, sample_pairs)
        trainer.processes.end()
    return run.folder


def train(trainer: Trainer, run: Run, train_pairs, sample_pairs) -> None:
    """The loop: step, log, save, until the last step or a signal to stop."""
    config, processes, total = trainer.config, trainer.processes, trainer.total_steps
    bar = tqdm(
        total=total, initial=trainer.step, desc=run.folder.name, unit="step",
        disable=not processes.is_first,
    )
    with bar, stop_signals() as stop:
        for batch in batches(train_pairs, config, trainer.step, processes):
            losses = trainer.train_on(batch)
            bar.update()
            stopped, last = processes.any(bool(stop)), trainer.step == total
            if trainer.step % config.log_every == 0 or last:
                losses = run.log(trainer.step, losses)
                bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if trainer.step % config.save_every == 0 or last or stopped:
                check_losses(losses, trainer.step)
                if processes.is_first:
                    run.save(trainer.state_dict(), trainer.best_generator)
                    run.sample(trainer.step, sample_grid(trainer, sample_pairs))
            if stopped and not last:
                processes.end()
                raise Pix2PixError(f"Stopped at step {trainer.step}, all saved; continue with --resume.")
