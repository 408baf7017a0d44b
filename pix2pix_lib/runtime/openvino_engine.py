"""A U-Net as OpenVINO runs it on a processor, about twice as fast as PyTorch does.

OpenVINO belongs to the extra `openvino`; without it, importing this module says so.
"""

import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from .extras import needs

# OpenVINO reports each import to its makers; without this module it cannot.
sys.modules.setdefault("openvino_telemetry", None)
with needs("openvino", "The OpenVINO engine"):
    import openvino
    from openvino import opset13 as ops

# One for all, for as long as the process lives. Each sets up a stack that this thread's signals are
# handled on, and takes it away at its end, in use or not: the next signal would end the process.
CORE = openvino.Core()


def graph_constant(values: torch.Tensor):
    """Numbers as a node of a graph; a copy, for PyTorch may move or free its own."""
    return ops.constant(values.numpy(), shared_memory=False)


def graph_convolution(
    features, weight: torch.Tensor, bias: torch.Tensor | None, stride: int, padding: int
):
    """A convolution as a node: `weight` is (out, in, kernel, kernel)."""
    strides, pads = [stride, stride], [padding, padding]
    features = ops.convolution(features, graph_constant(weight), strides, pads, pads, [1, 1])
    return features if bias is None else ops.add(features, graph_constant(bias.view(1, -1, 1, 1)))


def graph_norm(features, norm: nn.Module):
    """What `norm_layer` made, as nodes: a scale and a shift, after the statistics of each plane."""
    if isinstance(norm, nn.Identity):
        return features
    scale, shift = norm.weight, norm.bias
    if isinstance(norm, nn.InstanceNorm2d):
        features = ops.mvn(features, [2, 3], True, norm.eps, "inside_sqrt")
    else:  # batch norm has its statistics from training
        scale = scale / (norm.running_var + norm.eps).sqrt()
        shift = shift - norm.running_mean * scale
    scale, shift = (graph_constant(values.view(1, -1, 1, 1)) for values in (scale, shift))
    return ops.add(ops.multiply(features, scale), shift)


def graph_upsample(features, layer: nn.Module):
    """What `upsample` made, as nodes: (N, in, H, W) → (N, out, 2H, 2W)."""
    if isinstance(layer, nn.Sequential):  # resize, then a convolution
        features = ops.interpolate(features, np.float32([2, 2]), "nearest", "scales", axes=[2, 3])
        return graph_convolution(features, layer[1].weight, layer[1].bias, stride=1, padding=1)
    inputs, outputs = layer.weight.shape[:2]
    # kernel row 3 - (2u + 1 - r) is tap u of the output rows of kind r; columns alike
    taps = layer.weight.flip(2, 3).reshape(inputs, outputs, 2, 2, 2, 2).flip(3, 5)
    weight = taps.permute(3, 5, 1, 0, 2, 4).reshape(4 * outputs, inputs, 2, 2)
    bias = None if layer.bias is None else layer.bias.repeat(4)
    # (N, 4 out, H+1, W+1)
    features = graph_convolution(features, weight, bias, stride=1, padding=1)
    shuffled = ops.depth_to_space(features, "blocks_first", 2)  # (N, out, 2H+2, 2W+2)
    return ops.slice(shuffled, [1, 1], [-1, -1], [1, 1], [2, 3])


def compile_generator(generator: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A `UNetGenerator` as a function of tiles: (N, 3, size, size) in [-1, 1] → the same.

    float32 throughout. One tile at a time: what else is translated cannot change a bit of it.
    """
    size = generator.config["size"]
    source = ops.parameter([1, 3, size, size], np.float32)
    levels, features = [], source
    for _, convolution, norm in generator.encoder:
        weight, bias = convolution.weight, convolution.bias
        features = graph_norm(graph_convolution(features, weight, bias, stride=2, padding=1), norm)
        features = ops.prelu(features, np.float32([0.2]))
        levels.append(features)
    features = ops.relu(levels.pop())
    for _, up, norm, _ in generator.decoder[:-1]:
        features, level = ops.relu(graph_norm(graph_upsample(features, up), norm)), levels.pop()
        if generator.config["skip"]:
            features = ops.concat([features, ops.relu(level)], axis=1)
    translation = ops.tanh(graph_upsample(features, generator.decoder[-1][1]))
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = CORE.compile_model(openvino.Model([translation], [source]), "CPU", hints)

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        translated = [compiled(tile[None].contiguous().numpy())[0] for tile in tiles]
        return torch.from_numpy(np.concatenate(translated))

    return forward
