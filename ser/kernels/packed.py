"""Convolution, batch normalisation, ReLU and max pooling of zero-padded segments, without arithmetic on the padding.

The function and its gradients are those of ``nn.Conv1d``, ``nn.BatchNorm1d``, ``nn.ReLU`` and ``nn.MaxPool1d``, applied
in this order.

Forward, in each channel, for segment b, frame t and pooled frame p, with a kernel of K = 2 h + 1 frames:

    u[b,t] = (x[b,t-h], ..., x[b,t+h])                              window of frame t: K D numbers, x = 0 outside 0..T-1
    z[b,t] = w . u[b,t]                                             convolution without its bias
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
    slope = -scale / sqrt(var + eps) dL/dgamma / (B T)
    offset = -scale dL/dbeta / (B T) - slope mean
    dL/dz[b,t] = offset + slope z[b,t] + scale sum_{p whose best is z[b,t]} g[b,p]
    dL/dw = sum_{b,t} dL/dz[b,t] u[b,t]

In evaluation, mean and var are the running statistics. They do not depend on z, so offset and slope are 0.

The convolution's bias shifts z and the mean by the same amount. In training it cancels, so its gradient is exactly
zero. Only the running mean contains the bias.

The sum and the Gram matrix of the windows replace all sums over z, so that dL/dz need not be computed:

    S = sum_{b,t} u[b,t]                                            K D numbers
    G = sum_{b,t} u[b,t] u[b,t]^T                                   K D x K D numbers
    sum_{b,t} z[b,t] = w . S
    sum_{b,t} z[b,t]^2 = w . (w G)
    dL/dw = offset S + slope w G + scale sum_{b,p} g[b,p] u[row of best[b,p]]

The last sum is short: neighbouring pooled frames often have the same maximum, and their g are added first. S and G do
not depend on the weights, and those of a smaller kernel are the middle part of those of the largest. S consists of K
parts S_i of D numbers (i = 0..K-1), G of K x K blocks G_ij of D x D numbers. With sums over all b, and x = 0 outside
0..T-1:

    G_ij = sum_t x[b,t+i-h] x[b,t+j-h]^T                            for t = 0..T-1
    L_l = sum_t x[b,t] x[b,t+l]^T                                   lag products, over all t
    G_0j = L_j - sum_{t=T-h..T-1} x[b,t] x[b,t+j]^T
    G_i+1,j+1 = G_ij - x[b,i-h] x[b,j-h]^T + x[b,T+i-h] x[b,T+j-h]^T
    S_0 = sum_t x[b,t] - sum_{t=T-h..T-1} x[b,t]
    S_i+1 = S_i - x[b,i-h] + x[b,T+i-h]

The steps from i to i + 1 shift the sum over t by one: its first term leaves and a term after its last one enters.

What makes the kernels fast:

- A frame is called constant if its receptive field holds only padding: its z is 0, whatever the weights. The other
  frames are called varying. Only varying frames are convolved, packed one segment after another into one sequence.
  Constant frames add nothing to S and G, but they count in B T. A pooling window of constant frames gives
  max(0, shift).
- Normalisation and ReLU act on pooled frames, which are fewer by the factor of the stride.
- The forward pass stores the row of every maximum, so the backward pass finds its window directly.
- The K lag products cost D / C of the convolution; dL/dw through dL/dz costs at least as much as the convolution. With
  many features (``_MOST_FEATURES``), dL/dz is the cheaper way, and ``FromResponses`` takes it.
- The channels of a frame are adjacent in memory (``channels_last``), in the convolution and in all that follows.

B: segments, T: frames of a segment, D: features of a frame, C: channels of a convolution, P: pooled frames of a
segment, N: rows of the packed sequence, M: pooled frames of the batch whose window begins at a varying frame.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
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
from ser.kernels.compiled import compiled, reordering

Array = NDArray[Any]

_ROUND = 256
"""N is rounded up to a multiple of this, because PyTorch's convolution has a set-up cost for every new length."""

_BLOCK = 4
"""F, frames of a block in the lag products."""

_MOST_FEATURES = 40
"""With more features, G can take longer than dL/dz: measured for segments of 1 s, 100 channels, kernels of 13 and 7."""

_MOST_FEATURES_PACKED = 768
"""With more features, oneDNN takes longer for one long sequence than for a padded batch. Measured for segments of 3 s
with 75 % real frames: 0.85 times as fast as PyTorch's operations with 768 features, 0.55 times with 1024; with 45 %
real frames and 768 features 1.45 times as fast."""


def applies(frames: Tensor, pool: int, stride: int) -> bool:
    """Return whether ``forward`` can process this batch.

    It needs a tensor that compiled kernels may process (``ser.kernels.compiled.applies``), a pooling kernel size that
    is a multiple of the stride, an input that needs no gradient, and at most 768 features.
    """
    return (
        compiled_applies(frames)
        and not frames.requires_grad
        and pool % stride == 0
        and frames.shape[2] <= _MOST_FEATURES_PACKED
    )


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
    """The real frames of a batch as one sequence, with ``half`` rows of zeros before it and 2 ``half`` after a segment.

    The zeros keep neighbouring segments out of each other's receptive fields, and out of each other's lag products.

    Args:
        frames: segments, zero after their real frames, shape (B, T, D).
        count: number of real frames of each segment, shape (B,).
        half: h of the largest kernel.
        pool: kernel size of the max pooling, a multiple of ``stride``.
        stride: stride of the max pooling.

    Attributes:
        segments, length, pooled_length: B, T and P.
        half: h of the largest kernel.
        width: number of strides in a pooling window.
        varying: number of varying frames of each segment, shape (B,).
        start: segment b occupies the rows from start[b] on, up to start[b + 1] with its zeros; shape (B + 1,).
        pooled_start: the pooled frames of segment b whose window begins at a varying frame are pooled_start[b] to
            pooled_start[b + 1] of all M; the other pooled frames of segment b are constant; shape (B + 1,).
        data: the sequence, shape (N, D).
    """

    def __init__(self, frames: Tensor, count: Tensor, half: int, pool: int, stride: int) -> None:
        self.segments, self.length, features = frames.shape
        self.half, self.width, self.stride = half, pool // stride, stride
        self.pooled_length = (self.length - pool) // stride + 1
        self.varying = np.minimum(count.numpy() + half, self.length)
        self.start = half + _offsets(count.numpy() + 2 * half)
        self.pooled_start = _offsets(np.minimum(-(-self.varying // stride), self.pooled_length))
        self.data = torch.empty(-(-int(self.start[-1]) // _ROUND) * _ROUND, features)
        self._frames = frames
        _pack(frames.contiguous().numpy(), count.numpy(), self.start, self.data.numpy())

    def convolve(self, weight: Tensor) -> Tensor:
        """Convolve the sequence with ``weight`` (C, D, kernel); returns the response z (N, C)."""
        response = functional.conv2d(_image(self.data), weight.unsqueeze(2), padding=(0, weight.shape[2] // 2))
        return response.permute(0, 2, 3, 1).reshape(-1, len(weight))

    def gram(self, kernel: int) -> tuple[Tensor, Tensor]:
        """Return S (kernel * D) and G (kernel * D, kernel * D), in float64, of the windows of a kernel size.

        They are the middle of those of the largest kernel, because all kernels have the same rows.
        """
        window_sum, gram = self._gram
        features = self.data.shape[1]
        skipped = (self.half - kernel // 2) * features
        middle = slice(skipped, skipped + kernel * features)
        return window_sum[middle], gram[middle, middle]

    @cached_property
    def _gram(self) -> tuple[Tensor, Tensor]:
        """S and G of the largest kernel."""
        half = self.half
        lags = torch.from_numpy(_lag_products(self.data, 2 * half + 1))
        inside = min(half, self.length)
        first = functional.pad(self._frames[:, :inside], (0, 0, 0, half - inside)).flatten(1)
        last = functional.pad(self._frames[:, self.length - inside :], (0, 0, half - inside, 0)).flatten(1)
        total = self.data.sum(0, dtype=torch.float64)
        first_gram, last_gram = first.T @ first, last.T @ last
        arrays = (total, first.sum(0), last.sum(0), lags, first_gram, last_gram)
        window_sum, gram = _window_gram(*(array.numpy() for array in arrays))
        return torch.from_numpy(window_sum), torch.from_numpy(gram)


def _lag_products(data: Tensor, number: int) -> Array:
    """Return L_l = sum_m x_m x_{m+l}^T for each lag l from 0 to ``number`` - 1, shape (number, D, D).

    ``data`` is cut into blocks of F frames, Z_q of F * D numbers. The matrix product sum_q Z_q Z_{q+r}^T consists of
    D x D blocks sum_q x_{qF+i} x_{(q+r)F+j}^T, and L_l is the sum of those with r F + j - i = l. Few large products
    are faster than a small one for each lag.
    """
    size, features = _BLOCK, data.shape[1]
    blocks = data[: len(data) // size * size].view(-1, size * features)
    apart = (size + number - 2) // size + 1
    products = [blocks[: len(blocks) - r].T @ blocks[r:] for r in range(apart)]
    return _sum_of_blocks(torch.stack(products).view(apart, size, features, size, features).numpy(), number)


class FromWindows:
    """The sums over z and dL/dw of one kernel size from S and G; see the module's formulas.

    Args:
        packed: the batch.
        weight: w, shape (C, D, kernel).
        response: z; not kept.
    """

    def __init__(self, packed: Packed, weight: Tensor, response: Tensor) -> None:
        self._packed, self._kernel = packed, weight.shape[2]
        self._weight = weight.transpose(1, 2).flatten(1).double()  # C, kernel * D

    def sums(self) -> tuple[Array, Array]:
        """Sums of z and of its squares, each (C,), in float64."""
        window_sum, _ = self._packed.gram(self._kernel)
        return (self._weight @ window_sum).numpy(), (self._weight_gram * self._weight).sum(1).numpy()

    @cached_property
    def _weight_gram(self) -> Tensor:
        """The product w G."""
        return self._weight @ self._packed.gram(self._kernel)[1]

    def weight_gradient(self, scaled_gradient: Array, best_row: Array, offset: Array, slope: Array) -> Tensor:
        """Return dL/dw (C, D, kernel), given scale * g and the rows of the maxima, both (M, C)."""
        packed, channels = self._packed, len(self._weight)
        gradient = torch.zeros(self._weight.shape)
        rows = (best_row, packed.pooled_start, packed.data.numpy())
        _add_windows(scaled_gradient, *rows, self._kernel, gradient.numpy())
        if slope.any() or offset.any():
            window_sum, _ = packed.gram(self._kernel)
            gradient += torch.from_numpy(offset)[:, None] * window_sum
            gradient += torch.from_numpy(slope)[:, None] * self._weight_gram
        return gradient.view(channels, self._kernel, -1).transpose(1, 2).contiguous()


class FromResponses:
    """The same from z and dL/dz. With many features this is less work than G."""

    def __init__(self, packed: Packed, weight: Tensor, response: Tensor) -> None:
        self._packed, self._weight, self._response = packed, weight, response

    def sums(self) -> tuple[Array, Array]:
        """Sums of z and of its squares, each (C,), in float64."""
        return _channel_sums(self._response.numpy(), self._packed.start, self._packed.varying)

    def weight_gradient(self, scaled_gradient: Array, best_row: Array, offset: Array, slope: Array) -> Tensor:
        """Return dL/dw (C, D, kernel), given scale * g and the rows of the maxima; overwrites z by dL/dz."""
        packed = self._packed
        _response_gradient(
            scaled_gradient, best_row, packed.pooled_start, packed.start, packed.varying,
            offset.astype(np.float32), slope.astype(np.float32), self._response.numpy(),
        )  # fmt: skip
        shape, padding = self._weight.unsqueeze(2).shape, (0, self._weight.shape[2] // 2)
        return conv2d_weight(_image(packed.data), shape, _image(self._response), padding=padding).squeeze(2)


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
            through = (FromWindows if weight.shape[1] <= _MOST_FEATURES else FromResponses)(packed, weight, response)
            if statistics is None:
                sums = through.sums()
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
            saved.append((through, best, best_row, scale, shift))
        ctx.packed, ctx.saved, ctx.eps, ctx.batch_statistics = packed, saved, eps, statistics is None
        ctx.save_for_backward(mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return dL/dw, dL/dgamma and dL/dbeta of each kernel size, given dL/dy; the input gets no gradient."""
        mean, variance = ctx.saved_tensors
        output_gradient, parameter_gradients = gradient.contiguous().numpy(), []
        packed, channels = ctx.packed, mean.shape[1]
        number = packed.segments * packed.length if ctx.batch_statistics else np.inf
        for index, (through, best, best_row, scale, shift) in enumerate(ctx.saved):
            kernel_gradient = output_gradient[:, :, index * channels : (index + 1) * channels]
            beta_gradient, best_sum = _relu_backward(
                kernel_gradient, best, packed.pooled_start, scale.numpy(), shift.numpy()
            )
            inverse_deviation = (1 / torch.sqrt(variance[index] + ctx.eps)).numpy()
            kernel_mean = mean[index].numpy()
            gamma_gradient = (best_sum - kernel_mean * beta_gradient) * inverse_deviation
            slope = -scale.numpy() * inverse_deviation * gamma_gradient / number
            offset = -scale.numpy() * beta_gradient / number - slope * kernel_mean
            parameter_gradients += [
                through.weight_gradient(best, best_row, offset, slope),
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
    data[: start[0]] = 0
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
def _sum_of_blocks(products: Array, number: int) -> Array:
    """Add up the lag products (number, D, D) from ``products`` (r, F, D, F, D), see ``_lag_products``; in float64."""
    size, features = products.shape[1], products.shape[2]
    lags = np.zeros((number, features, features))
    for lag in range(number):
        for i in range(size):
            r, j = (i + lag) // size, (i + lag) % size
            for d in range(features):
                for e in range(features):
                    lags[lag, d, e] += products[r, i, d, j, e]
    return lags


@compiled
def _window_gram(
    total: Array, first: Array, last: Array, lags: Array, first_gram: Array, last_gram: Array
) -> tuple[Array, Array]:
    """S and G from the sums of all frames and the lag products, by the recursion in the module's docstring."""
    kernel, features = lags.shape[0], lags.shape[1]
    half, dimensions = kernel // 2, kernel * features
    edge = half * features
    window_sum, gram = np.empty(dimensions), np.empty((dimensions, dimensions))
    for d in range(features):
        window_sum[d] = total[d]
        for a in range(half):
            window_sum[d] -= last[a * features + d]
    for n in range(dimensions - features):
        change = last[n] if n < edge else (-first[n - edge] if n < 2 * edge else np.float32(0))
        window_sum[n + features] = window_sum[n] + change
    for d in range(features):
        for j in range(kernel):
            for e in range(features):
                value = lags[j, d, e]
                for a in range(half - j):
                    value -= last_gram[a * features + d, (a + j) * features + e]
                gram[d, j * features + e] = value
    for n in range(dimensions - features):
        for m in range(dimensions - features):
            value = gram[n, m]
            if n >= edge and m >= edge:
                value -= first_gram[n - edge, m - edge]
            elif n < edge and m < edge:
                value += last_gram[n, m]
            gram[n + features, m + features] = value
        for m in range(features):
            gram[n + features, m] = gram[m, n + features]
    return window_sum, gram


@compiled
def _pool(
    response: Array, start: Array, varying: Array, pooled_start: Array, lowest: Array, width: int, stride: int
) -> tuple[Array, Array]:
    """Max pooling of z; min pooling in the channels where ``lowest`` is True.

    A block is ``stride`` consecutive frames, and a window is ``width`` consecutive blocks. First, each block is reduced
    to its maximum. Then the blocks are divided into groups of ``width``. A window consists of the last blocks of one
    group and the first blocks of the next group. Its maximum is therefore the larger of two numbers: a suffix maximum
    of the first group and a prefix maximum of the second group (van Herk 1992).

    A response and its row are compared as one integer, their key (see ``_reduce_blocks``), so that processors do it
    for many channels in one instruction.

    Returns:
        ``best`` and the row that it is in, each (M, C). Row -1 stands for a constant frame, whose z is 0.
    """
    channels, number = response.shape[1], pooled_start[-1]
    best, best_row = np.empty((number, channels), np.float32), np.empty((number, channels), np.int32)
    bits, best_bits = response.view(np.int32), best.view(np.int32)
    flip = np.where(lowest, np.int32(-1), np.int32(0))
    # arrays of their own: the compiler finds no vector instructions for loops between two parts of one array
    block, suffix = np.empty((width, channels), np.int64), np.empty((width, channels), np.int64)
    prefix = np.full((width + 1, channels), np.iinfo(np.int64).min)  # prefix[q] is the maximum of the first q blocks
    for b in range(len(varying)):
        windows = pooled_start[b + 1] - pooled_start[b]
        for group in range(0, windows + width, width):  # its first block; the window of this number begins there
            blocks = min(width, windows + width - 1 - group)
            begin, end = start[b] + group * stride, start[b] + varying[b]
            _reduce_blocks(bits, begin, end, flip, stride, block[:blocks])
            for q in range(blocks):
                for c in range(channels):
                    prefix[q + 1, c] = max(prefix[q, c], block[q, c])
            if group > 0:
                windows_before = slice(pooled_start[b] + group - width, pooled_start[b] + min(group, windows))
                _write_larger(suffix, prefix, flip, best_bits[windows_before], best_row[windows_before])
            if group < windows:
                suffix[width - 1] = block[width - 1]
                for q in range(width - 2, -1, -1):
                    for c in range(channels):
                        suffix[q, c] = max(block[q, c], suffix[q + 1, c])
    return best, best_row


@compiled
def _reduce_blocks(bits: Array, begin: int, end: int, flip: Array, stride: int, block: Array) -> None:
    """Write the largest key of the frames of each block.

    A key is a 64-bit integer. Its upper half is ``_ordered`` of z. Its lower half falls with the row, so that of equal
    z the first has the largest key; a constant frame counts as row -1.

    Args:
        bits: the bits of z, read as integers, shape (N, C).
        begin: row of the first block's first frame.
        end: the frames of the segment from this row on are constant.
        flip: -1 in the channels whose smallest z is wanted, else 0, shape (C,).
        stride: frames of a block.
        block: the keys, shape (blocks, C).
    """
    for q in range(len(block)):
        first = begin + q * stride
        for c in range(len(flip)):
            has_constant = first + stride > end
            block[q, c] = (np.int64(flip[c]) << 32) | _LOWER if has_constant else np.iinfo(np.int64).min
        for n in range(first, min(first + stride, end)):
            for c in range(len(flip)):
                key = (np.int64(_ordered(bits[n, c]) ^ flip[c]) << 32) | (_LOWER - 1 - n)
                block[q, c] = max(block[q, c], key)


_LOWER = 0xFFFFFFFF
"""The lower half of a key of a constant frame, row -1; that of row n is ``_LOWER`` - 1 - n."""


@compiled
def _ordered(bits: Any) -> Any:
    """Map the bits of a float32, read as an integer, to an integer of the same order; the map is its own inverse.

    Read as integers, positive numbers have the right order and negative ones the opposite order (IEEE 754). All bits
    of a negative number but its sign are therefore inverted.
    """
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


@compiled
def _write_larger(suffix: Array, prefix: Array, flip: Array, bits: Array, best_row: Array) -> None:
    """Write the larger key of ``suffix`` and ``prefix`` as the bits of ``best`` and as its row, each (windows, C)."""
    for p in range(len(bits)):
        for c in range(len(flip)):
            key = max(suffix[p, c], prefix[p, c])
            bits[p, c] = _ordered(np.int32(key >> 32) ^ flip[c])
            best_row[p, c] = _LOWER - 1 - (key & _LOWER)


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
    scale * g from ``scaled_gradient`` (M, C). The rows of zeros around the segments get 0.
    """
    response[: start[0]] = 0
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


@reordering
def _add_windows(
    scaled_gradient: Array, best_row: Array, pooled_start: Array, data: Array, kernel: int, weight_gradient: Array
) -> None:
    """Add scale * g times the window of the row of each maximum to ``weight_gradient`` (C, kernel * D).

    Args:
        scaled_gradient: scale * g, shape (M, C); overwritten, see ``_add_up_runs``.
        best_row: the rows of the maxima, shape (M, C).
        pooled_start: see ``Packed``. One segment is done at a time: its rows stay in the L1 cache for all channels.
        data: the sequence, shape (N, D).
        kernel: K.
        weight_gradient: is added to.
    """
    features, half, flat, size = data.shape[1], kernel // 2, data.ravel(), weight_gradient.shape[1]
    most = 0
    for b in range(len(pooled_start) - 1):
        most = max(most, pooled_start[b + 1] - pooled_start[b])
    row, factor = np.empty(most + 3, np.int64), np.empty(most + 3, np.float32)
    for b in range(len(pooled_start) - 1):
        segment = slice(pooled_start[b], pooled_start[b + 1])
        _add_up_runs(scaled_gradient[segment], best_row[segment])
        for c in range(len(weight_gradient)):
            found = 0
            for m in range(pooled_start[b], pooled_start[b + 1]):
                row[found], factor[found] = best_row[m, c], scaled_gradient[m, c]
                found += factor[found] != 0  # the next one overwrites a factor of 0
            row[found : found + 3] = half  # up to three additions of 0 times the first window
            factor[found : found + 3] = 0
            target = weight_gradient[c]
            for k in range(0, found, 4):  # four windows at a time: the target is read and written less often
                n0, n1 = (row[k] - half) * features, (row[k + 1] - half) * features
                n2, n3 = (row[k + 2] - half) * features, (row[k + 3] - half) * features
                u0, u1, u2, u3 = flat[n0 : n0 + size], flat[n1 : n1 + size], flat[n2 : n2 + size], flat[n3 : n3 + size]
                f0, f1, f2, f3 = factor[k], factor[k + 1], factor[k + 2], factor[k + 3]
                for i in range(size):
                    target[i] += f0 * u0[i] + f1 * u1[i] + f2 * u2[i] + f3 * u3[i]


@compiled
def _add_up_runs(gradient: Array, best_row: Array) -> None:
    """Add up the gradients of neighbouring pooled frames of a segment that have the same maximum, both (windows, C).

    The last pooled frame of each run receives the sum, the others 0. Those of a constant frame receive 0.
    """
    last = len(gradient) - 1
    run_sum = np.zeros(gradient.shape[1], np.float32)
    for m in range(last + 1):
        for c in range(len(run_sum)):
            row, total = best_row[m, c], run_sum[c] + gradient[m, c]
            goes_on = m < last and best_row[min(m + 1, last), c] == row
            run_sum[c] = total if goes_on else np.float32(0)
            gradient[m, c] = np.float32(0) if goes_on or row < 0 else total
