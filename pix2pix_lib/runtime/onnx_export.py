"""A generator as an ONNX file, for other programs."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from .. import Pix2PixError
from ..files.whole import whole_file
from .extras import needs


def export_onnx(generator: nn.Module, path: str | Path) -> float:
    """Write a `UNetGenerator` as ONNX, (N, 3, size, size) to the same; returns how far off it is.

    The file is run and compared before it gets its name: more than half a level of 255 off, it
    raises `Pix2PixError`, and nothing is left behind. Needs the extra `onnx`.
    """
    with needs("onnx", "Writing ONNX"):
        import onnxruntime
        import onnxscript  # noqa: F401 (torch writes ONNX through it)

    size = generator.config["size"]
    source = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with whole_file(path) as partial:
        torch.onnx.export(
            generator.eval(), (source,), partial, input_names=["source"],
            output_names=["translation"], dynamic_shapes={"source": {0: torch.export.Dim("N")}},
            external_data=False, verbose=False,
        )
        with torch.inference_mode():
            expected = generator(source).numpy()
        session = onnxruntime.InferenceSession(partial, providers=["CPUExecutionProvider"])
        (translation,) = session.run(None, {"source": source.numpy()})
        levels = float(np.abs(translation - expected).max() * 127.5)
        if not levels < 0.5:
            raise Pix2PixError(
                f"{path} is not written: as ONNX the generator is {levels:.1f} levels off."
            )
    return levels
