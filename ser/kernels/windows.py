"""The sums over the frames of a packed batch, and the gradient of a convolution's weights.

Both are made from the windows' Gram matrix (``FromWindows``) or from the responses (``FromResponses``). The formulas
and the letters are those of ``ser.kernels.packed``.
"""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from ser.kernels.compiled import compiled, reordering

Array = NDArray[Any]

_ROUND = 256
"""N is rounded up to a multiple of this, because PyTorch's convolution has a set-up cost for every new length."""

_BLOCK = 4
"""F, frames of a block in the lag products."""


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
    """The sums over z and dL/dw of one kernel size from S and G; see the formulas of ``ser.kernels.packed``.

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
    """S and G from the sums of all frames and the lag products, by the recursion in ``ser.kernels.packed``."""
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
