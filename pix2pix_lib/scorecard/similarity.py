"""PSNR and SSIM: what other papers give beside L1."""

import cv2
import numpy as np
import torch


def psnr(fake_target: torch.Tensor, target: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1]; equal ones are given 100."""
    squared_error = (fake_target.double() - target).square().mean()
    return float(-10 * torch.log10((squared_error / 2**2).clamp(min=1e-10)))


def window_means(picture: np.ndarray) -> np.ndarray:
    """Means over windows of 11×11 pixels that lie inside: (H, W, 3) → (H - 10, W - 10, 3).

    Weighted by a Gaussian of standard deviation 1.5.
    """
    return cv2.GaussianBlur(picture, (11, 11), 1.5)[5:-5, 5:-5]


def ssim(fake_target: torch.Tensor, target: torch.Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of two pictures (3, H, W) in [-1, 1]; 1 at most.

    Of each colour by itself, its range scaled to 1; the mean over windows and colours.
    """
    x, y = (((side.double() + 1) / 2).movedim(0, -1).numpy() for side in (fake_target, target))
    mean_x, mean_y = window_means(x), window_means(y)
    variances = window_means(x * x + y * y) - mean_x**2 - mean_y**2  # the sum of both
    covariance = window_means(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return float((brightness * structure).mean())
