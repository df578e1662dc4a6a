"""Convolution, batch normalisation, ReLU and max pooling of zero-padded segments, without arithmetic on the padding.

The same function as ``nn.Conv1d``, ``nn.BatchNorm1d``, ``nn.ReLU`` and ``nn.MaxPool1d`` one after another, and the same
gradients, for the CPU. What makes it fast:

- A frame whose whole receptive field is padding gives exactly the convolution's bias. Only the other frames are
  convolved; the constant ones enter the normalisation's mean and variance by their number.
- Normalisation and ReLU are monotone in each channel, so pooling comes first and they act on what it leaves. The
  maxima's rows are kept, so that the gradient goes back to them directly.
- The convolution is a matrix product over windows of frames; all kernels share the windows of the largest.

The convolution's bias cancels in training (normalisation takes the mean off), so its gradient is exactly zero.

B: segments, T: frames, D: features, K: largest kernel, N: frames that are not constant, C: channels, P: pooled frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Array = NDArray[Any]
_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


_allowed = True


@contextmanager
def forbidden() -> Iterator[None]:
    """Let PyTorch's own operations run inside (where they are batched over replicas, say)."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before


def applies(frames: Tensor, pool: int, stride: int) -> bool:
    """Whether a batch can be done here: float32 on the CPU, no gradient for the input, pooling by whole strides."""
    plain = frames.device.type == "cpu" and frames.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return _allowed and plain and not frames.requires_grad and pool % stride == 0


def forward(
    frames: Tensor,
    count: Tensor,
    convolutions: Iterable[Any],
    norms: Iterable[Any],
    pool: Any,
    training: bool,
) -> Tensor:
    """What the modules give one after another, (B, P, kernels * C); in training the norms' running values move.

    Args:
        frames: (B, T, D), zeros from each segment's end on.
        count: real frames of each segment, (B,).
        convolutions, norms: of each kernel; odd kernels, half padding, C channels each.
        pool: the max pooling; its kernel is a multiple of its stride.
        training: normalise by the batch's own statistics; else by the running ones.
    """
    pairs = list(zip(convolutions, norms, strict=True))
    windows = Windows(frames, count, max(conv.kernel_size[0] for conv, _ in pairs))
    running = None if training else [(norm.running_mean - conv.bias, norm.running_var) for conv, norm in pairs]
    parameters = [tensor for conv, norm in pairs for tensor in (conv.weight, norm.weight, norm.bias)]
    vector, means, variances = ConvNormReluPool.apply(
        windows, pool.kernel_size, pool.stride, pairs[0][1].eps, running, *parameters
    )
    if training:
        number = frames.shape[0] * frames.shape[1]
        for (conv, norm), mean, variance in zip(pairs, means, variances, strict=True):
            _move(norm, mean + conv.bias.detach(), variance * (number / max(number - 1, 1)))
    return vector


def _move(norm: Any, mean: Tensor, variance: Tensor) -> None:
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)
    norm.num_batches_tracked += 1


class Windows:
    """The windows of a batch's frames that are not all padding, as rows of one matrix.

    ``matrix`` (N, K * D): a row holds the K frames around one frame, zeros beyond the segment's ends. Segment b has the
    rows ``first[b]`` to ``first[b + 1]``; its frames after those are constant.
    """

    def __init__(self, frames: Tensor, count: Tensor, kernel: int) -> None:
        _, self.frames, self.features = frames.shape
        self.kernel = kernel
        rows = torch.clamp(count + kernel // 2, max=self.frames)
        self.first = np.concatenate([[0], np.cumsum(rows.numpy())]).astype(np.int64)
        self.matrix = torch.empty(int(self.first[-1]), kernel * self.features)
        _fill_windows(frames.contiguous().numpy(), self.first, self.matrix.numpy())

    def columns(self, kernel: int) -> Tensor:
        """The part of the rows that a smaller kernel sees, (N, kernel * D)."""
        margin = (self.kernel - kernel) // 2 * self.features
        return self.matrix[:, margin : margin + kernel * self.features]


class ConvNormReluPool(Function):
    """All kernels' convolution, normalisation, ReLU and pooling of a batch: (B, P, kernels * C).

    With ``statistics`` (running mean and variance of each kernel) it normalises by these, as in evaluation; else by the
    batch's own, which it then returns besides: mean (without the convolution's bias) and variance (divisor B * T), each
    (kernels, C).
    """

    @staticmethod
    def forward(
        ctx: Any,
        windows: Windows,
        pool: int,
        stride: int,
        eps: float,
        statistics: Sequence[tuple[Tensor, Tensor]] | None,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``parameters``: each kernel's weight (C, D, kernel), then gamma (C,), then beta (C,), kernel after kernel."""
        kernels = list(zip(parameters[0::3], parameters[1::3], parameters[2::3], strict=True))
        channels = len(kernels[0][1])
        segments, pooled = len(windows.first) - 1, (windows.frames - pool) // stride + 1
        vector = torch.empty(segments, pooled, len(kernels) * channels)
        mean, variance = torch.empty(2, len(kernels), channels)
        kept = []
        for index, (weight, gamma, beta) in enumerate(kernels):
            response = windows.columns(weight.shape[2]) @ _matrix(weight)  # N, C
            sign = np.where(gamma.detach().numpy() < 0, np.float32(-1), np.float32(1))
            best = np.empty((segments, pooled, channels), np.float32)
            row = np.empty((segments, pooled, channels), np.int32)
            sums = _pool(response.numpy(), windows.first, sign, pool // stride, stride, best, row)
            if statistics is None:
                mean[index], variance[index] = _moments(sums, segments * windows.frames)
            else:
                mean[index], variance[index] = statistics[index]
            scale = gamma / torch.sqrt(variance[index] + eps)
            shift = beta - mean[index] * scale
            part = vector.numpy()[:, :, index * channels : (index + 1) * channels]
            _scale_and_rectify(best, scale.numpy(), shift.numpy(), part)
            kept.append((response, best, row))
        ctx.windows, ctx.kept, ctx.eps, ctx.own = windows, kept, eps, statistics is None
        ctx.save_for_backward(vector, mean, variance, *parameters)
        ctx.mark_non_differentiable(mean, variance)
        return vector, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of weights, gammas and betas; the input's is not computed."""
        vector, mean, variance, *parameters = ctx.saved_tensors
        incoming, results = gradient.contiguous().numpy(), []
        windows, channels = ctx.windows, mean.shape[1]
        for index, (response, best, row) in enumerate(ctx.kept):
            weight, gamma, _ = parameters[3 * index : 3 * index + 3]
            part = slice(index * channels, (index + 1) * channels)
            outer, active = incoming[:, :, part], vector.numpy()[:, :, part]
            inverse = 1 / torch.sqrt(variance[index] + ctx.eps)
            beta_sum, gamma_sum = _sums(outer, active, best, mean[index].numpy(), inverse.numpy())
            scale = (gamma * inverse).numpy()
            number = (len(windows.first) - 1) * windows.frames if ctx.own else np.inf
            slope = -scale * inverse.numpy() * gamma_sum / number
            offset = -scale * beta_sum / number - slope * mean[index].numpy()
            _spread(outer, active, row, scale, offset.astype(np.float32), slope.astype(np.float32), response.numpy())
            columns = windows.columns(weight.shape[2])
            flat = columns.T @ response  # kernel * D, C
            results += [
                flat.view(weight.shape[2], windows.features, channels).permute(2, 1, 0),
                torch.from_numpy(gamma_sum.astype(np.float32)),
                torch.from_numpy(beta_sum.astype(np.float32)),
            ]
        ctx.kept = None
        return (None, None, None, None, None, *results)


def _matrix(weight: Tensor) -> Tensor:
    """(C, D, kernel) -> (kernel * D, C), rows in the order of a window's values."""
    return weight.detach().permute(2, 1, 0).reshape(-1, weight.shape[0])


def _moments(sums: tuple[Array, Array], number: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over ``number`` frames, the constant ones being zero; from sums in float64."""
    mean = sums[0] / number
    variance = np.maximum(sums[1] / number - mean**2, 0)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(variance.astype(np.float32))


@_compiled
def _fill_windows(frames: Array, first: Array, matrix: Array) -> None:
    segments, length, features = frames.shape
    kernel = matrix.shape[1] // features
    half = kernel // 2
    for b in range(segments):
        flat = frames[b].reshape(-1)
        for t in range(first[b + 1] - first[b]):
            low, high = max(0, t - half), min(length, t - half + kernel)
            out = matrix[first[b] + t]
            begin = (low - (t - half)) * features
            end = begin + (high - low) * features
            out[:begin] = 0
            out[begin:end] = flat[low * features : high * features]
            out[end:] = 0


@_compiled
def _pool(
    response: Array, first: Array, sign: Array, width: int, stride: int, best: Array, row: Array
) -> tuple[Array, Array]:
    """Maxima over ``width * stride`` frames every ``stride`` (minima where ``sign`` is -1), and the rows they are in.

    Row -1 stands for a constant frame, whose response is 0. Gives the sums of the responses and of their squares too.
    Blocks of ``stride`` frames are reduced first; a window's maximum is then that of a suffix of one group of
    ``width`` blocks and a prefix of the next (van Herk 1992).
    """
    segments, pooled, channels = best.shape
    total, squares = np.zeros(channels), np.zeros(channels)
    blocks = pooled + width - 1
    value, place = np.empty((blocks, channels), np.float32), np.empty((blocks, channels), np.int32)
    suffix, suffix_row = np.empty_like(value), np.empty_like(place)
    part, part_squares = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(segments):
        begin, rows = first[b], first[b + 1] - first[b]
        part[:] = 0
        part_squares[:] = 0
        for n in range(begin, begin + rows):
            for c in range(channels):
                part[c] += response[n, c]
                part_squares[c] += response[n, c] * response[n, c]
        for c in range(channels):
            total[c] += part[c]
            squares[c] += part_squares[c]
        real = min(blocks, (rows + stride - 1) // stride)
        used = min(blocks, real + width - 1)
        for q in range(used):
            n = begin + q * stride
            inside = min(stride, begin + rows - n)
            for c in range(channels):
                value[q, c] = 0
                place[q, c] = -1
            for k in range(inside):
                force = inside == stride and k == 0
                for c in range(channels):
                    v = sign[c] * response[n + k, c]
                    better = force or v > value[q, c]
                    value[q, c] = v if better else value[q, c]
                    place[q, c] = n + k if better else place[q, c]
        for q in range(used - 1, -1, -1):
            last = q == used - 1 or (q + 1) % width == 0
            for c in range(channels):
                keep = last or value[q, c] >= suffix[q + 1, c]
                suffix[q, c] = value[q, c] if keep else suffix[q + 1, c]
                suffix_row[q, c] = place[q, c] if keep else suffix_row[q + 1, c]
        for q in range(1, used):  # from here on ``value`` is the running maximum from its group's beginning
            if q % width:
                for c in range(channels):
                    keep = value[q - 1, c] >= value[q, c]
                    value[q, c] = value[q - 1, c] if keep else value[q, c]
                    place[q, c] = place[q - 1, c] if keep else place[q, c]
        for p in range(pooled):
            if p < real:
                q = p + width - 1
                for c in range(channels):
                    keep = suffix[p, c] >= value[q, c]
                    best[b, p, c] = sign[c] * (suffix[p, c] if keep else value[q, c])
                    row[b, p, c] = suffix_row[p, c] if keep else place[q, c]
            else:
                for c in range(channels):
                    best[b, p, c] = 0
                    row[b, p, c] = -1
    return total, squares


@_compiled
def _scale_and_rectify(best: Array, scale: Array, shift: Array, out: Array) -> None:
    for b in range(best.shape[0]):
        for p in range(best.shape[1]):
            for c in range(best.shape[2]):
                out[b, p, c] = max(best[b, p, c] * scale[c] + shift[c], np.float32(0))


@_compiled
def _sums(outer: Array, active: Array, best: Array, mean: Array, inverse: Array) -> tuple[Array, Array]:
    """Gradients of beta and gamma: the sums of what comes back, plain and times the normalised response."""
    beta_sum, gamma_sum = np.zeros(best.shape[2]), np.zeros(best.shape[2])
    plain, times = np.empty(best.shape[2], np.float32), np.empty(best.shape[2], np.float32)
    for b in range(best.shape[0]):
        plain[:] = 0
        times[:] = 0
        for p in range(best.shape[1]):
            for c in range(best.shape[2]):
                g = outer[b, p, c] if active[b, p, c] > 0 else np.float32(0)
                plain[c] += g
                times[c] += g * best[b, p, c]
        for c in range(best.shape[2]):
            beta_sum[c] += plain[c]
            gamma_sum[c] += (times[c] - mean[c] * plain[c]) * inverse[c]
    return beta_sum, gamma_sum


@_compiled
def _spread(
    outer: Array, active: Array, row: Array, scale: Array, offset: Array, slope: Array, response: Array
) -> None:
    """Turn ``response`` into its gradient: what normalisation takes from every frame, and what the maxima get."""
    for n in range(response.shape[0]):
        for c in range(response.shape[1]):
            response[n, c] = offset[c] + slope[c] * response[n, c]
    for b in range(row.shape[0]):
        for p in range(row.shape[1]):
            for c in range(row.shape[2]):
                n = row[b, p, c]
                if n >= 0 and active[b, p, c] > 0:
                    response[n, c] += scale[c] * outer[b, p, c]
