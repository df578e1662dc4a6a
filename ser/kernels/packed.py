"""Convolution, batch normalisation, ReLU and max pooling of zero-padded segments, without arithmetic on the padding.

The function and its gradients are those of ``nn.Conv1d``, ``nn.BatchNorm1d``, ``nn.ReLU`` and ``nn.MaxPool1d``, applied
in this order.

Forward, in each channel, for segment b, frame t and pooled frame p, with a kernel of 2 h + 1 frames:

    z[b,t] = sum_{k,d} w[d,k] x[b,t+k-h,d]                          convolution without its bias
    mean = sum_{b,t} z[b,t] / (B T)
    var = sum_{b,t} z[b,t]^2 / (B T) - mean^2
    scale = gamma / sqrt(var + eps)
    shift = beta - mean scale
    best[b,p] = max_{t in window p} z[b,t]  if gamma >= 0, else min_{t in window p} z[b,t]
    y[b,p] = max(0, scale best[b,p] + shift)

Normalisation and ReLU are monotone in each channel. Therefore pooling comes first here, and they act on its result.

Backward, where g[b,p] = dL/dy[b,p] if y[b,p] > 0, else 0:

    dL/dbeta = sum_{b,p} g[b,p]
    dL/dgamma = sum_{b,p} g[b,p] (best[b,p] - mean) / sqrt(var + eps)
    dL/dz[b,t] = scale sum_{p whose best is z[b,t]} g[b,p]
                 - scale / (B T) (dL/dbeta + dL/dgamma (z[b,t] - mean) / sqrt(var + eps))
    dL/dw[d,k] = sum_{b,t} dL/dz[b,t] x[b,t+k-h,d]

In evaluation, mean and var are the running statistics. They do not depend on z, so dL/dz has no second line.

The convolution's bias shifts z and the mean by the same amount. In training it cancels, so its gradient is exactly
zero. Only the running mean contains the bias.

What makes the kernels fast:

- A frame is called constant if its receptive field holds only padding: its z is 0, whatever the weights. The other
  frames are called varying. Only varying frames are convolved, packed one segment after another into one sequence.
  Constant frames add nothing to the sums over z and nothing to dL/dw, but they count in B T. A pooling window of
  constant frames gives max(0, shift).
- Normalisation and ReLU act on pooled frames, which are fewer by the factor of the stride.
- The forward pass stores the row of every maximum, so the backward pass adds g to that row directly.
- The channels of a frame are adjacent in memory (``channels_last``), in the convolution and in all that follows.

B: segments, T: frames of a segment, D: features of a frame, C: channels of a convolution, P: pooled frames of a
segment, N: rows of the packed sequence, M: pooled frames of the batch whose window begins at a varying frame.
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
"""N is rounded up to a multiple of this, because PyTorch's convolution has a set-up cost for every new length."""


def applies(frames: Tensor, pool: int, stride: int) -> bool:
    """Return whether ``forward`` can process this batch.

    It needs a tensor that compiled kernels may process (``ser.kernels.compiled.applies``), a pooling kernel size that
    is a multiple of the stride, and an input that needs no gradient.
    """
    return compiled_applies(frames) and not frames.requires_grad and pool % stride == 0


def forward(
    frames: Tensor,
    count: Tensor,
    convolutions: Iterable[Any],
    norms: Iterable[Any],
    pool: Any,
    training: bool,
) -> Tensor:
    """Apply convolution, batch normalisation, ReLU and max pooling, in parallel for each kernel size.

    In training this also updates the running statistics of ``norms``.

    Args:
        frames: segments, zero after their real frames, shape (B, T, D).
        count: number of real frames of each segment, shape (B,).
        convolutions: one ``nn.Conv1d`` for each kernel size, with an odd kernel, half padding and C channels.
        norms: the ``nn.BatchNorm1d`` of each convolution.
        pool: the ``nn.MaxPool1d``; its kernel size is a multiple of its stride.
        training: True normalises by the statistics of this batch, False by the running statistics.

    Returns:
        Shape (B, P, kernels * C).
    """
    pairs = list(zip(convolutions, norms, strict=True))
    packed = Packed(frames, count, max(conv.kernel_size[0] for conv, _ in pairs) // 2, pool.kernel_size, pool.stride)
    running = None if training else [(norm.running_mean - conv.bias, norm.running_var) for conv, norm in pairs]
    parameters = [tensor for conv, norm in pairs for tensor in (conv.weight, norm.weight, norm.bias)]
    output, means, variances = ConvNormReluPool.apply(packed, pairs[0][1].eps, running, *parameters)
    if training:
        number = frames.shape[0] * frames.shape[1]
        for (conv, norm), mean, variance in zip(pairs, means, variances, strict=True):
            _update_running(norm, mean + conv.bias.detach(), variance * (number / max(number - 1, 1)))
    return output


def _update_running(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Update the running statistics as PyTorch does; ``variance`` has the divisor B T - 1."""
    norm.num_batches_tracked += 1
    share = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance, share)


class Packed:
    """The varying frames of a batch as one sequence, with ``half`` rows of zeros after each segment.

    The zeros keep neighbouring segments out of each other's receptive fields.

    Args:
        frames: segments, zero after their real frames, shape (B, T, D).
        count: number of real frames of each segment, shape (B,).
        half: h of the largest kernel.
        pool: kernel size of the max pooling, a multiple of ``stride``.
        stride: stride of the max pooling.

    Attributes:
        segments, length, pooled_length: B, T and P.
        width: number of strides in a pooling window.
        varying: number of varying frames of each segment, shape (B,).
        start: segment b occupies the rows from start[b] on, up to start[b + 1] with its zeros; shape (B + 1,).
        pooled_start: the pooled frames of segment b whose window begins at a varying frame are pooled_start[b] to
            pooled_start[b + 1] of all M; the other pooled frames of segment b are constant; shape (B + 1,).
        data: the sequence, shape (N, D).
    """

    def __init__(self, frames: Tensor, count: Tensor, half: int, pool: int, stride: int) -> None:
        self.segments, self.length, features = frames.shape
        self.width, self.stride = pool // stride, stride
        self.pooled_length = (self.length - pool) // stride + 1
        self.varying = np.minimum(count.numpy() + half, self.length)
        self.start = _offsets(self.varying + half)
        self.pooled_start = _offsets(np.minimum(-(-self.varying // stride), self.pooled_length))
        self.data = torch.empty(-(-int(self.start[-1]) // _ROUND) * _ROUND, features)
        _pack(frames.contiguous().numpy(), count.numpy(), self.start, self.data.numpy())

    def convolve(self, weight: Tensor) -> Tensor:
        """Convolve the sequence with ``weight`` (C, D, kernel); returns the response z (N, C)."""
        response = functional.conv2d(self._image(self.data), weight.unsqueeze(2), padding=(0, weight.shape[2] // 2))
        return response.permute(0, 2, 3, 1).reshape(-1, weight.shape[0])

    def weight_gradient(self, weight: Tensor, response_gradient: Tensor) -> Tensor:
        """Return dL/dw (C, D, kernel), given dL/dz (N, C)."""
        shape, padding = weight.unsqueeze(2).shape, (0, weight.shape[2] // 2)
        return conv2d_weight(self._image(self.data), shape, self._image(response_gradient), padding=padding).squeeze(2)

    @staticmethod
    def _image(rows: Tensor) -> Tensor:
        """View (N, channels) as an image of height 1 in ``channels_last`` format, shape (1, channels, 1, N)."""
        return rows[None, None].permute(0, 3, 1, 2)


def _offsets(lengths: Array) -> Array:
    """Return where each of several consecutive parts begins, and where the last one ends: cumulative sums from 0."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


class ConvNormReluPool(Function):
    """The whole operation for all kernel sizes, with the gradients of the parameters (see the module's formulas)."""

    @staticmethod
    def forward(
        ctx: Any,
        packed: Packed,
        eps: float,
        statistics: Sequence[tuple[Tensor, Tensor]] | None,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the output and the statistics that normalised it.

        Args:
            ctx: PyTorch's context, which keeps what ``backward`` needs.
            packed: the batch.
            eps: added to the variance.
            statistics: in evaluation, the mean (without the convolution's bias) and the variance for each kernel size,
                each of shape (C,). In training None: the statistics of the batch are used.
            parameters: weight (C, D, kernel), gamma (C,) and beta (C,) of the first kernel size, then of the second.

        Returns:
            The output (B, P, kernels * C); the mean without the bias (kernels, C); the variance with the divisor B T
            (kernels, C).
        """
        kernels = list(zip(parameters[0::3], parameters[1::3], parameters[2::3], strict=True))
        channels = len(kernels[0][1])
        output = torch.empty(packed.segments, packed.pooled_length, len(kernels) * channels)
        mean, variance = torch.empty(2, len(kernels), channels)
        saved = []
        for index, (weight, gamma, beta) in enumerate(kernels):
            response = packed.convolve(weight)  # N, C
            if statistics is None:
                sums = _channel_sums(response.numpy(), packed.start, packed.varying)
                mean[index], variance[index] = _mean_and_variance(sums, packed.segments * packed.length)
            else:
                mean[index], variance[index] = statistics[index]
            best, best_row = _pool(
                response.numpy(),
                packed.start,
                packed.varying,
                packed.pooled_start,
                gamma.numpy() < 0,
                packed.width,
                packed.stride,
            )  # M, C
            scale = gamma / torch.sqrt(variance[index] + eps)
            shift = beta - mean[index] * scale
            kernel_output = output.numpy()[:, :, index * channels : (index + 1) * channels]
            _scale_and_rectify(best, packed.pooled_start, scale.numpy(), shift.numpy(), kernel_output)
            saved.append((response, best, best_row, scale, shift))
        ctx.packed, ctx.saved, ctx.eps, ctx.batch_statistics = packed, saved, eps, statistics is None
        ctx.save_for_backward(mean, variance, *parameters)
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return dL/dw, dL/dgamma and dL/dbeta of each kernel size, given dL/dy; the input gets no gradient."""
        mean, variance, *parameters = ctx.saved_tensors
        output_gradient, parameter_gradients = gradient.contiguous().numpy(), []
        packed, channels = ctx.packed, mean.shape[1]
        number = packed.segments * packed.length if ctx.batch_statistics else np.inf
        for index, (response, best, best_row, scale, shift) in enumerate(ctx.saved):
            kernel_gradient = output_gradient[:, :, index * channels : (index + 1) * channels]
            beta_gradient, best_sum = _relu_backward(
                kernel_gradient, best, packed.pooled_start, scale.numpy(), shift.numpy()
            )
            inverse_deviation = (1 / torch.sqrt(variance[index] + ctx.eps)).numpy()
            kernel_mean = mean[index].numpy()
            gamma_gradient = (best_sum - kernel_mean * beta_gradient) * inverse_deviation
            # The second line of dL/dz as a linear function of z: offset + slope z.
            slope = -scale.numpy() * inverse_deviation * gamma_gradient / number
            offset = -scale.numpy() * beta_gradient / number - slope * kernel_mean
            _response_gradient(
                best, best_row, packed.pooled_start, packed.start, packed.varying,
                offset.astype(np.float32), slope.astype(np.float32), response.numpy(),
            )  # fmt: skip
            parameter_gradients += [
                packed.weight_gradient(parameters[3 * index], response),
                torch.from_numpy(gamma_gradient.astype(np.float32)),
                torch.from_numpy(beta_gradient.astype(np.float32)),
            ]
        ctx.saved = None
        return (None, None, None, *parameter_gradients)


def _mean_and_variance(sums: tuple[Array, Array], number: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of z over ``number`` = B T frames, from the float64 ``sums`` of z and of its squares."""
    mean = sums[0] / number
    variance = np.maximum(sums[1] / number - mean**2, 0)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(variance.astype(np.float32))


@compiled
def _pack(frames: Array, count: Array, start: Array, data: Array) -> None:
    """Copy the real frames of each segment to ``data`` and fill the other rows with zeros."""
    for b in range(len(count)):
        begin, end = start[b], start[b] + count[b]
        data[begin:end] = frames[b, : count[b]]
        data[end : start[b + 1]] = 0
    data[start[-1] :] = 0


@compiled
def _channel_sums(response: Array, start: Array, varying: Array) -> tuple[Array, Array]:
    """Sums of z and of its squares over all varying frames, each (C,); in float32 within a segment, then in float64."""
    channels = response.shape[1]
    total, squares_total = np.zeros(channels), np.zeros(channels)
    segment_sum, segment_squares = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(len(varying)):
        segment_sum[:] = 0
        segment_squares[:] = 0
        for n in range(start[b], start[b] + varying[b]):
            for c in range(channels):
                segment_sum[c] += response[n, c]
                segment_squares[c] += response[n, c] * response[n, c]
        for c in range(channels):
            total[c] += segment_sum[c]
            squares_total[c] += segment_squares[c]
    return total, squares_total


@compiled
def _pool(
    response: Array, start: Array, varying: Array, pooled_start: Array, lowest: Array, width: int, stride: int
) -> tuple[Array, Array]:
    """Max pooling of z; min pooling in the channels where ``lowest`` is True.

    A block is ``stride`` consecutive frames, and a window is ``width`` consecutive blocks. First, each block is reduced
    to its maximum. Then the blocks are divided into groups of ``width``. A window consists of the last blocks of one
    group and the first blocks of the next group. Its maximum is therefore the larger of two numbers: a suffix maximum
    of the first group and a prefix maximum of the second group (van Herk 1992).

    Returns:
        ``best`` and the row that it is in, each (M, C). Row -1 stands for a constant frame, whose z is 0.
    """
    channels, number = response.shape[1], pooled_start[-1]
    best, best_row = np.empty((number, channels), np.float32), np.empty((number, channels), np.int32)
    sign = np.where(lowest, np.float32(-1), np.float32(1))
    most_blocks = 0
    for b in range(len(varying)):
        most_blocks = max(most_blocks, pooled_start[b + 1] - pooled_start[b] + width - 1)
    prefix, prefix_row = np.empty((most_blocks, channels), np.float32), np.empty((most_blocks, channels), np.int32)
    suffix, suffix_row = np.empty_like(prefix), np.empty_like(prefix_row)
    for b in range(len(varying)):
        windows = pooled_start[b + 1] - pooled_start[b]
        blocks = windows + width - 1
        _reduce_blocks(response, start[b], start[b] + varying[b], sign, stride, prefix[:blocks], prefix_row[:blocks])
        _running_maxima(prefix[:blocks], prefix_row[:blocks], suffix, suffix_row, width)
        segment = slice(pooled_start[b], pooled_start[b + 1])
        _window_maxima(suffix, suffix_row, prefix[:blocks], prefix_row[:blocks], sign, best[segment], best_row[segment])
    return best, best_row


@compiled
def _reduce_blocks(
    response: Array, begin: int, end: int, sign: Array, stride: int, block_best: Array, block_row: Array
) -> None:
    """Write the maximum of sign * z in each block of a segment, and its row.

    The rows from ``begin`` to ``end`` hold the segment's varying frames; the frames after them are constant. Every
    block starts from a constant frame's value 0 and row -1. In a block of varying frames only, the first frame replaces
    these.
    """
    for q in range(len(block_best)):
        n = begin + q * stride
        inside = min(stride, end - n)
        for c in range(len(sign)):
            block_best[q, c] = 0
            block_row[q, c] = -1
        for k in range(inside):
            first_of_full_block = inside == stride and k == 0
            for c in range(len(sign)):
                value = sign[c] * response[n + k, c]
                better = first_of_full_block or value > block_best[q, c]
                block_best[q, c] = value if better else block_best[q, c]
                block_row[q, c] = n + k if better else block_row[q, c]


@compiled
def _running_maxima(prefix: Array, prefix_row: Array, suffix: Array, suffix_row: Array, width: int) -> None:
    """Compute running maxima within every group of ``width`` blocks.

    At the start ``prefix`` holds the maximum of each block. ``suffix`` receives the maxima from each block to the end
    of its group. ``prefix`` is overwritten by the maxima from the beginning of the group to each block.
    """
    blocks, channels = prefix.shape
    for q in range(blocks - 1, -1, -1):
        last_of_group = q == blocks - 1 or (q + 1) % width == 0
        for c in range(channels):
            keep = last_of_group or prefix[q, c] >= suffix[q + 1, c]
            suffix[q, c] = prefix[q, c] if keep else suffix[q + 1, c]
            suffix_row[q, c] = prefix_row[q, c] if keep else suffix_row[q + 1, c]
    for q in range(1, blocks):
        if q % width:
            for c in range(channels):
                keep = prefix[q - 1, c] >= prefix[q, c]
                prefix[q, c] = prefix[q - 1, c] if keep else prefix[q, c]
                prefix_row[q, c] = prefix_row[q - 1, c] if keep else prefix_row[q, c]


@compiled
def _window_maxima(
    suffix: Array, suffix_row: Array, prefix: Array, prefix_row: Array, sign: Array, best: Array, best_row: Array
) -> None:
    """Write ``best`` and its row: window p has the suffix from block p and the prefix to block p + width - 1."""
    width = len(prefix) - len(best) + 1
    for p in range(len(best)):
        head, head_row, tail, tail_row = suffix[p], suffix_row[p], prefix[p + width - 1], prefix_row[p + width - 1]
        for c in range(len(sign)):
            keep = head[c] >= tail[c]
            best[p, c] = sign[c] * (head[c] if keep else tail[c])
            best_row[p, c] = head_row[c] if keep else tail_row[c]


@compiled
def _scale_and_rectify(best: Array, pooled_start: Array, scale: Array, shift: Array, output: Array) -> None:
    """Write y to ``output`` (B, P, C): max(0, scale best + shift), and max(0, shift) for constant pooled frames."""
    constant = np.maximum(shift, np.float32(0))
    for b in range(output.shape[0]):
        windows = pooled_start[b + 1] - pooled_start[b]
        for p in range(windows):
            for c in range(len(scale)):
                output[b, p, c] = max(best[pooled_start[b] + p, c] * scale[c] + shift[c], np.float32(0))
        for p in range(windows, output.shape[1]):
            for c in range(len(scale)):
                output[b, p, c] = constant[c]


@compiled
def _relu_backward(
    output_gradient: Array, best: Array, pooled_start: Array, scale: Array, shift: Array
) -> tuple[Array, Array]:
    """Backpropagate dL/dy (B, P, C) through ReLU; overwrites ``best`` by scale * g.

    Returns:
        sum g, which is dL/dbeta, and sum g * best, each (C,); in float32 within a segment, then in float64.
    """
    channels = len(scale)
    gradient_sum, product_sum = np.zeros(channels), np.zeros(channels)
    segment_gradient, segment_product, constant_gradient = np.empty((3, channels), np.float32)
    for b in range(output_gradient.shape[0]):
        windows = pooled_start[b + 1] - pooled_start[b]
        segment_gradient[:] = 0
        segment_product[:] = 0
        constant_gradient[:] = 0
        for p in range(windows):
            m = pooled_start[b] + p
            for c in range(channels):
                value = best[m, c]
                g = output_gradient[b, p, c] if value * scale[c] + shift[c] > 0 else np.float32(0)
                segment_gradient[c] += g
                segment_product[c] += g * value
                best[m, c] = g * scale[c]
        for p in range(windows, output_gradient.shape[1]):
            for c in range(channels):
                constant_gradient[c] += output_gradient[b, p, c]
        for c in range(channels):
            gradient_sum[c] += segment_gradient[c] + (constant_gradient[c] if shift[c] > 0 else np.float32(0))
            product_sum[c] += segment_product[c]
    return gradient_sum, product_sum


@compiled
def _response_gradient(
    scaled_gradient: Array,
    best_row: Array,
    pooled_start: Array,
    start: Array,
    varying: Array,
    offset: Array,
    slope: Array,
    response: Array,
) -> None:
    """Overwrite z in ``response`` (N, C) by dL/dz.

    Every varying frame gets offset + slope z, the term from the batch statistics. The row of each maximum also gets
    scale * g from ``scaled_gradient`` (M, C). The rows of zeros between the segments get 0.
    """
    for b in range(len(varying)):
        end = start[b] + varying[b]
        for n in range(start[b], end):
            for c in range(len(slope)):
                response[n, c] = offset[c] + slope[c] * response[n, c]
        response[end : start[b + 1]] = 0
        for m in range(pooled_start[b], pooled_start[b + 1]):
            for c in range(len(slope)):
                if best_row[m, c] >= 0:
                    response[best_row[m, c], c] += scaled_gradient[m, c]
    response[start[-1] :] = 0
