"""Rotary positions (RoFormer, arXiv 2104.09864) in the half-split layout of the Llama family.

Shapes: T tokens, D head size.
"""

import math

import torch
from torch import Tensor

from infini_cli.nn.config import ModelConfig, RopeScaling


def inverse_frequencies(config: ModelConfig) -> Tensor:
    """Angle per position step of each rotary pair, (D/2,) float32."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / config.rope_theta**exponents
    return frequencies if config.rope_scaling is None else scale(frequencies, config.rope_scaling)


def scale(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Stretched frequencies, (D/2,); `llama3` is the rule published with Llama 3.1."""
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    if scaling.kind == "factors":
        return frequencies / torch.tensor(scaling.factors, dtype=torch.float32)
    turns = scaling.original_context * frequencies / (2 * math.pi)  # full turns within the first context
    blend = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    blend = blend.clamp(0.0, 1.0)  # 1: fast, kept; 0: slow, stretched
    return blend * frequencies + (1.0 - blend) * frequencies / scaling.factor


def rotations(frequencies: Tensor, start: int, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions start … start + length - 1, each (length, D) float32."""
    positions = torch.arange(start, start + length, dtype=torch.float32, device=frequencies.device)
    angles = torch.outer(positions, frequencies)  # (T, D/2)
    angles = torch.cat((angles, angles), dim=-1)  # (T, D)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (…, T, D) turned by its positions; computed in x's dtype, as the base models were trained."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)
