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
  many features (``_MOST_FEATURES``), dL/dz is the cheaper way, and ``ser.kernels.windows.FromResponses`` takes it.
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

from ser.kernels.compiled import applies as compiled_applies
from ser.kernels.compiled import compiled
from ser.kernels.pooling import extremes
from ser.kernels.windows import FromResponses, FromWindows, Packed

Array = NDArray[Any]

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
            best, best_row = extremes(
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
