"""Max pooling of a packed batch that keeps the row of each maximum. The letters are those of ``ser.kernels.packed``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.kernels.compiled import compiled

Array = NDArray[Any]


@compiled
def extremes(
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
