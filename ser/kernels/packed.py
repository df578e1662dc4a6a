"""Convolution, batch normalisation, ReLU and max pooling of zero-padded segments, without arithmetic on the padding.

The same function as ``nn.Conv1d``, ``nn.BatchNorm1d``, ``nn.ReLU`` and ``nn.MaxPool1d`` one after another, and the same
gradients, for the CPU. What makes it fast:

- A frame whose whole receptive field is padding gives exactly the convolution's bias. Only the other frames are
  convolved, the segments one after another in one sequence; the constant ones enter the normalisation's mean and
  variance by their number, and the pooled values by being known.
- Normalisation and ReLU are monotone in each channel, so pooling comes first and they act on what it leaves. The
  maxima's rows are kept, so that the gradient goes back to them directly.
- A frame's channels lie side by side (``channels_last``), for the convolution and for all that follows.

The convolution's bias cancels in training (normalisation takes the mean off), so its gradient is exactly zero.

B: segments, T: frames, D: features, N: rows of the sequence, C: channels, P: pooled frames, M: those not constant.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from ser.kernels.compiled import applies as compiled_applies
from ser.kernels.compiled import compiled

Array = NDArray[Any]

_ROUND = 256
"""A sequence's rows are rounded up to a multiple: PyTorch's convolution prepares itself anew for every new length."""


def applies(frames: Tensor, pool: int, stride: int) -> bool:
    """Whether a batch can be done here: no gradient for the input, pooling by whole strides, compiled code applies."""
    return compiled_applies(frames) and not frames.requires_grad and pool % stride == 0


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
    packed = Packed(frames, count, max(conv.kernel_size[0] for conv, _ in pairs) // 2, pool.kernel_size, pool.stride)
    running = None if training else [(norm.running_mean - conv.bias, norm.running_var) for conv, norm in pairs]
    parameters = [tensor for conv, norm in pairs for tensor in (conv.weight, norm.weight, norm.bias)]
    vector, means, variances = ConvNormReluPool.apply(packed, pairs[0][1].eps, running, *parameters)
    if training:
        number = frames.shape[0] * frames.shape[1]
        for (conv, norm), mean, variance in zip(pairs, means, variances, strict=True):
            _move(norm, mean + conv.bias.detach(), variance * (number / max(number - 1, 1)))
    return vector


def _move(norm: Any, mean: Tensor, variance: Tensor) -> None:
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)
    norm.num_batches_tracked += 1


class Packed:
    """A batch's frames that are not all padding, segment after segment with zeros between them, as one sequence.

    ``data`` (N, D). Segment b begins at row ``first[b]``; its first ``rows[b]`` rows see some of its real frames, the
    other rows up to ``first[b + 1]`` keep its neighbours apart. Its pooled frames from ``pooled[b + 1] - pooled[b]`` on
    are constant; ``pooled`` (B + 1,) counts those before.
    """

    def __init__(self, frames: Tensor, count: Tensor, half: int, pool: int, stride: int) -> None:
        self.segments, self.length, features = frames.shape
        self.width, self.stride = pool // stride, stride
        self.places = (self.length - pool) // stride + 1
        self.rows = np.minimum(count.numpy() + half, self.length)
        self.first = _cumulated(self.rows + half)
        self.pooled = _cumulated(np.minimum(-(-self.rows // stride), self.places))
        self.data = torch.empty(-(-int(self.first[-1]) // _ROUND) * _ROUND, features)
        _fill(frames.contiguous().numpy(), count.numpy(), self.first, self.data.numpy())

    def convolve(self, weight: Tensor) -> Tensor:
        """The response to ``weight`` (C, D, kernel), shape (N, C)."""
        response = functional.conv2d(self._image(self.data), weight.unsqueeze(2), padding=(0, weight.shape[2] // 2))
        return response.permute(0, 2, 3, 1).reshape(-1, weight.shape[0])

    def gradient(self, weight: Tensor, response: Tensor) -> Tensor:
        """The weight's gradient (C, D, kernel) from its response's (N, C)."""
        shape, padding = weight.unsqueeze(2).shape, (0, weight.shape[2] // 2)
        return conv2d_weight(self._image(self.data), shape, self._image(response), padding=padding).squeeze(2)

    @staticmethod
    def _image(rows: Tensor) -> Tensor:
        """(N, channels) as the picture (1, channels, 1, N) that it is in memory."""
        return rows[None, None].permute(0, 3, 1, 2)


def _cumulated(numbers: Array) -> Array:
    return np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)


class ConvNormReluPool(Function):
    """All kernels' convolution, normalisation, ReLU and pooling of a batch: (B, P, kernels * C).

    With ``statistics`` (running mean and variance of each kernel) it normalises by these, as in evaluation; else by the
    batch's own, which it then returns besides: mean (without the convolution's bias) and variance (divisor B * T), each
    (kernels, C).
    """

    @staticmethod
    def forward(
        ctx: Any,
        packed: Packed,
        eps: float,
        statistics: Sequence[tuple[Tensor, Tensor]] | None,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``parameters``: each kernel's weight (C, D, kernel), then gamma (C,), then beta (C,), kernel after kernel."""
        kernels = list(zip(parameters[0::3], parameters[1::3], parameters[2::3], strict=True))
        channels = len(kernels[0][1])
        vector = torch.empty(packed.segments, packed.places, len(kernels) * channels)
        mean, variance = torch.empty(2, len(kernels), channels)
        kept = []
        for index, (weight, gamma, beta) in enumerate(kernels):
            response = packed.convolve(weight)  # N, C
            if statistics is None:
                sums = _moments(response.numpy(), packed.first, packed.rows)
                mean[index], variance[index] = _mean_and_variance(sums, packed.segments * packed.length)
            else:
                mean[index], variance[index] = statistics[index]
            best, row = _pool(
                response.numpy(),
                packed.first,
                packed.rows,
                packed.pooled,
                gamma.numpy() < 0,
                packed.width,
                packed.stride,
            )  # M, C
            scale = gamma / torch.sqrt(variance[index] + eps)
            shift = beta - mean[index] * scale
            part = vector.numpy()[:, :, index * channels : (index + 1) * channels]
            _scale_and_rectify(best, packed.pooled, scale.numpy(), shift.numpy(), part)
            kept.append((response, best, row, scale, shift))
        ctx.packed, ctx.kept, ctx.eps, ctx.own = packed, kept, eps, statistics is None
        ctx.save_for_backward(mean, variance, *parameters)
        ctx.mark_non_differentiable(mean, variance)
        return vector, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of weights, gammas and betas; the input's is not computed."""
        mean, variance, *parameters = ctx.saved_tensors
        incoming, results = gradient.contiguous().numpy(), []
        packed, channels = ctx.packed, mean.shape[1]
        number = packed.segments * packed.length if ctx.own else np.inf
        for index, (response, best, row, scale, shift) in enumerate(ctx.kept):
            outer = incoming[:, :, index * channels : (index + 1) * channels]
            beta_sum, times_sum = _gate(outer, best, packed.pooled, scale.numpy(), shift.numpy())
            inverse = (1 / torch.sqrt(variance[index] + ctx.eps)).numpy()
            average = mean[index].numpy()
            gamma_sum = (times_sum - average * beta_sum) * inverse
            slope = -scale.numpy() * inverse * gamma_sum / number
            offset = -scale.numpy() * beta_sum / number - slope * average
            _spread(
                best, row, packed.pooled, packed.first, packed.rows,
                offset.astype(np.float32), slope.astype(np.float32), response.numpy(),
            )  # fmt: skip
            results += [
                packed.gradient(parameters[3 * index], response),
                torch.from_numpy(gamma_sum.astype(np.float32)),
                torch.from_numpy(beta_sum.astype(np.float32)),
            ]
        ctx.kept = None
        return (None, None, None, *results)


def _mean_and_variance(sums: tuple[Array, Array], number: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over ``number`` frames, the constant ones being zero; from sums in float64."""
    mean = sums[0] / number
    variance = np.maximum(sums[1] / number - mean**2, 0)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(variance.astype(np.float32))


@compiled
def _fill(frames: Array, count: Array, first: Array, data: Array) -> None:
    for b in range(len(count)):
        begin, end = first[b], first[b] + count[b]
        data[begin:end] = frames[b, : count[b]]
        data[end : first[b + 1]] = 0
    data[first[-1] :] = 0


@compiled
def _moments(response: Array, first: Array, rows: Array) -> tuple[Array, Array]:
    """Sums of the responses and of their squares over all segments' rows."""
    channels = response.shape[1]
    total, squares = np.zeros(channels), np.zeros(channels)
    part, part_squares = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(len(rows)):
        part[:] = 0
        part_squares[:] = 0
        for n in range(first[b], first[b] + rows[b]):
            for c in range(channels):
                part[c] += response[n, c]
                part_squares[c] += response[n, c] * response[n, c]
        for c in range(channels):
            total[c] += part[c]
            squares[c] += part_squares[c]
    return total, squares


@compiled
def _pool(
    response: Array, first: Array, rows: Array, pooled: Array, lowest: Array, width: int, stride: int
) -> tuple[Array, Array]:
    """Maxima over ``width * stride`` frames every ``stride`` (minima where ``lowest``), and the rows they are in.

    Row -1 stands for a constant frame, whose response is 0. Blocks of ``stride`` frames are reduced first; a window's
    maximum is then that of a suffix of one group of ``width`` blocks and a prefix of the next (van Herk 1992).
    """
    channels, places = response.shape[1], pooled[-1]
    best, row = np.empty((places, channels), np.float32), np.empty((places, channels), np.int32)
    sign = np.where(lowest, np.float32(-1), np.float32(1))
    blocks = 0
    for b in range(len(rows)):
        blocks = max(blocks, pooled[b + 1] - pooled[b] + width - 1)
    value, place = np.empty((blocks, channels), np.float32), np.empty((blocks, channels), np.int32)
    suffix, suffix_row = np.empty_like(value), np.empty_like(place)
    for b in range(len(rows)):
        real = pooled[b + 1] - pooled[b]
        used = real + width - 1
        _reduce_blocks(response, first[b], first[b] + rows[b], sign, stride, value[:used], place[:used])
        _running_maxima(value[:used], place[:used], suffix, suffix_row, width)
        here = slice(pooled[b], pooled[b + 1])
        _meet(suffix, suffix_row, value[:used], place[:used], sign, best[here], row[here])
    return best, row


@compiled
def _reduce_blocks(response: Array, begin: int, end: int, sign: Array, stride: int, value: Array, place: Array) -> None:
    """The largest of each block of ``stride`` rows; beyond the rows' end lie constant frames."""
    for q in range(len(value)):
        n = begin + q * stride
        inside = min(stride, end - n)
        for c in range(len(sign)):
            value[q, c] = 0
            place[q, c] = -1
        for k in range(inside):
            force = inside == stride and k == 0
            for c in range(len(sign)):
                v = sign[c] * response[n + k, c]
                better = force or v > value[q, c]
                value[q, c] = v if better else value[q, c]
                place[q, c] = n + k if better else place[q, c]


@compiled
def _running_maxima(value: Array, place: Array, suffix: Array, suffix_row: Array, width: int) -> None:
    """Of every group of ``width`` blocks: the maxima from each block to its end, and from its beginning (in place)."""
    used, channels = value.shape
    for q in range(used - 1, -1, -1):
        last = q == used - 1 or (q + 1) % width == 0
        for c in range(channels):
            keep = last or value[q, c] >= suffix[q + 1, c]
            suffix[q, c] = value[q, c] if keep else suffix[q + 1, c]
            suffix_row[q, c] = place[q, c] if keep else suffix_row[q + 1, c]
    for q in range(1, used):
        if q % width:
            for c in range(channels):
                keep = value[q - 1, c] >= value[q, c]
                value[q, c] = value[q - 1, c] if keep else value[q, c]
                place[q, c] = place[q - 1, c] if keep else place[q, c]


@compiled
def _meet(
    suffix: Array, suffix_row: Array, prefix: Array, prefix_row: Array, sign: Array, best: Array, row: Array
) -> None:
    """A window's maximum: of the suffix that it begins with and the prefix that it ends with."""
    width = len(prefix) - len(best) + 1
    for p in range(len(best)):
        head, head_row, tail, tail_row = suffix[p], suffix_row[p], prefix[p + width - 1], prefix_row[p + width - 1]
        for c in range(len(sign)):
            keep = head[c] >= tail[c]
            best[p, c] = sign[c] * (head[c] if keep else tail[c])
            row[p, c] = head_row[c] if keep else tail_row[c]


@compiled
def _scale_and_rectify(best: Array, pooled: Array, scale: Array, shift: Array, out: Array) -> None:
    constant = np.maximum(shift, np.float32(0))
    for b in range(out.shape[0]):
        real = pooled[b + 1] - pooled[b]
        for p in range(real):
            for c in range(len(scale)):
                out[b, p, c] = max(best[pooled[b] + p, c] * scale[c] + shift[c], np.float32(0))
        for p in range(real, out.shape[1]):
            for c in range(len(scale)):
                out[b, p, c] = constant[c]


@compiled
def _gate(outer: Array, best: Array, pooled: Array, scale: Array, shift: Array) -> tuple[Array, Array]:
    """What comes back through ReLU: its sums, plain and times the pooled responses, which it then takes the place of.

    ``best`` holds afterwards what the rows of its maxima get: the gradient times ``scale``.
    """
    channels = len(scale)
    beta_sum, times_sum = np.zeros(channels), np.zeros(channels)
    plain, times, constant = np.empty((3, channels), np.float32)
    for b in range(outer.shape[0]):
        real = pooled[b + 1] - pooled[b]
        plain[:] = 0
        times[:] = 0
        constant[:] = 0
        for p in range(real):
            m = pooled[b] + p
            for c in range(channels):
                value = best[m, c]
                g = outer[b, p, c] if value * scale[c] + shift[c] > 0 else np.float32(0)
                plain[c] += g
                times[c] += g * value
                best[m, c] = g * scale[c]
        for p in range(real, outer.shape[1]):
            for c in range(channels):
                constant[c] += outer[b, p, c]
        for c in range(channels):
            beta_sum[c] += plain[c] + (constant[c] if shift[c] > 0 else np.float32(0))
            times_sum[c] += times[c]
    return beta_sum, times_sum


@compiled
def _spread(
    gated: Array, row: Array, pooled: Array, first: Array, rows: Array, offset: Array, slope: Array, response: Array
) -> None:
    """Turn ``response`` into its gradient: what normalisation takes from every frame, and what the maxima get."""
    for b in range(len(rows)):
        end = first[b] + rows[b]
        for n in range(first[b], end):
            for c in range(len(slope)):
                response[n, c] = offset[c] + slope[c] * response[n, c]
        response[end : first[b + 1]] = 0
        for m in range(pooled[b], pooled[b + 1]):
            for c in range(len(slope)):
                if row[m, c] >= 0:
                    response[row[m, c], c] += gated[m, c]
    response[first[-1] :] = 0
