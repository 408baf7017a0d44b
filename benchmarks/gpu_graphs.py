"""The training step as a CUDA graph: recorded once, launched as a whole."""

from collections.abc import Callable

import torch
from torch import nn

from pix2pix_lib.augment import cut_mix
from pix2pix_lib.runtime.speed import to_device_batch
from pix2pix_lib.training import Trainer, train_step

WARM_UP = 3  # calls: then cuDNN has chosen its algorithms, and Adam has its memory


class Recorded:
    """A call without arguments as a CUDA graph: launched as a whole, Python's part done once.

    The first `WARM_UP` times it is taken as it is, then recorded, and from then on launched.
    What it returns is overwritten by the next launch. On a processor nothing is recorded.
    """

    def __init__(self, call: Callable, device: torch.device):
        self.call, self.calls, self.graph = call, 0, None
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None

    def __call__(self):
        if self.stream is None:
            return self.call()
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.aside()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            # Other threads go on meanwhile: one of them pins the memory of the next batches.
            mode = {"stream": self.stream, "capture_error_mode": "thread_local"}
            with torch.cuda.graph(self.graph, **mode):
                self.result = self.call()
        self.graph.replay()
        return self.result

    def aside(self):
        """Once as it is, on the stream that it will be recorded on."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = self.call()
        torch.cuda.current_stream().wait_stream(self.stream)
        return result


class GraphedStep:
    """`train_on` with `train_step` and the running mean as a CUDA graph, for batches of one shape.

    What changes from step to step lies where the graph reads it: the batch, and the learning rate.
    The losses that a call returns are overwritten by the next.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.batch = trainer, None
        self.step = Recorded(self.step_as_it_is, trainer.device)

    def __call__(self, batch: dict) -> dict[str, torch.Tensor]:
        if self.trainer.config.cutmix:
            batch = cut_mix(batch)
        if self.batch is None:
            self.lay_out(batch)
        for side, place in self.batch.items():
            place.copy_(batch[side], non_blocking=True)
        losses = self.step()
        self.count()
        return losses

    def lay_out(self, batch: dict) -> None:
        """The place of every batch, and the learning rates as tensors: a number would be recorded.

        Not before the first step: a checkpoint may have brought other optimiser groups.
        """
        trainer = self.trainer
        batch = to_device_batch(batch, trainer.device)
        self.batch = {side: torch.empty_like(picture) for side, picture in batch.items()}
        for optimizer in (trainer.optimizer_g, trainer.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(group["lr"], device=trainer.device)
                group["capturable"] = True

    def step_as_it_is(self) -> dict[str, torch.Tensor]:
        trainer = self.trainer
        optimizers = (trainer.optimizer_g, trainer.optimizer_d)
        settings = (trainer.gan_loss, trainer.config.lambda_l1)
        losses = train_step(*trainer.called, *optimizers, self.batch, *settings)
        if trainer.average:
            update_average(trainer.average, trainer.generator)
        return losses

    def count(self) -> None:
        """What `train_on` does on the processor."""
        trainer = self.trainer
        if trainer.average:
            trainer.average.n_averaged += 1
        trainer.schedule_g.step()
        trainer.schedule_d.step()
        trainer.step += 1


def update_average(average: torch.optim.swa_utils.AveragedModel, generator: nn.Module) -> None:
    """`update_parameters`, but its counter stays on the processor and is left as it is."""
    networks = (average.module, generator)
    kept, new = ([weight.detach() for weight in net.parameters()] for net in networks)
    if average.n_averaged == 0:
        torch._foreach_copy_(kept, new)
    else:
        average.multi_avg_fn(kept, new, None)
