"""Convolutions as products of matrices, and max-pooling as a plain maximum, in a JAX program.

`jax.vmap` makes of a convolution one with as many groups as there are replicas, which XLA computes
slower than the convolutions one by one; a product of matrices it batches well. XLA's gradient of
max-pooling is slow with or without `vmap`.
"""

import contextlib
import itertools
import threading

import keras
from keras import ops

_LOCK = threading.RLock()


@contextlib.contextmanager
def matrix_products():
    """Within it, Keras' convolution layers compute by `convolve`, max-pooling by `pool`.

    `convolution_op` is Keras' hook for this; layers that have one of their own keep it. Nothing
    else about the layers changes.
    """
    layers = keras.layers
    changes = [
        *((cls, "convolution_op", _convolution) for cls in
          (layers.Conv1D, layers.Conv2D, layers.Conv3D)),
        *((cls, "call", _pooling) for cls in
          (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)),
    ]  # fmt: skip
    with _LOCK:
        kept = [(cls, name, cls.__dict__.get(name)) for cls, name, _ in changes]
        for cls, name, other in changes:
            setattr(cls, name, other(getattr(cls, name)))
        try:
            yield
        finally:
            for cls, name, own in kept:
                if own is None:  # it was inherited
                    delattr(cls, name)
                else:
                    setattr(cls, name, own)


def _convolution(usual):
    def convolution_op(self, inputs, kernel):
        if self.groups != 1 or self.data_format != "channels_last":
            return usual(self, inputs, kernel)
        return convolve(inputs, kernel, self.strides, self.padding, self.dilation_rate)

    return convolution_op


def _pooling(usual):
    def call(self, inputs):
        sizes = tuple(self.pool_size)
        fits = self.padding == "valid" and self.data_format == "channels_last"
        if not fits or tuple(self.strides) != sizes:
            return usual(self, inputs)
        return pool(inputs, sizes)

    return call


def pool(inputs, sizes):
    """The maximum of windows side by side.

    Where several elements of a window are the largest, they share its gradient, which XLA's own
    pooling gives to one of them: zeros behind a ReLU, mostly, through which none goes anyway.

    Args:
        inputs: `(batch, *lengths, channels)`.
        sizes: Sizes of the windows, one for each length.
    """
    counts = [length // size for length, size in zip(inputs.shape[1:-1], sizes, strict=True)]
    part = [slice(count * size) for count, size in zip(counts, sizes, strict=True)]
    windows = [n for pair in zip(counts, sizes, strict=True) for n in pair]
    inputs = inputs[(slice(None), *part, slice(None))]
    inputs = ops.reshape(inputs, (-1, *windows, inputs.shape[-1]))
    return ops.max(inputs, axis=tuple(range(2, 2 + 2 * len(sizes), 2)))


def convolve(inputs, kernel, strides, padding, dilation):
    """A convolution of any rank, channels last, as one product of patches and kernel.

    Args:
        inputs: `(batch, *sizes, channels)`.
        kernel: `(*kernel sizes, channels, filters)`.
        strides, dilation: One integer for each dimension.
        padding: "valid", "same" or "causal".
    """
    *sizes, _, filters = kernel.shape
    pads, counts = [], []
    for size, width, stride, step in zip(inputs.shape[1:-1], sizes, strides, dilation, strict=True):
        span = step * (width - 1) + 1
        if padding == "valid":
            pad = (0, 0)
        elif padding == "causal":
            pad = (span - 1, 0)
        else:
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
            pad = (total // 2, total - total // 2)
        pads.append(pad)
        counts.append((size + sum(pad) - span) // stride + 1)
    if any(map(any, pads)):
        inputs = ops.pad(inputs, ((0, 0), *pads, (0, 0)))
    patches = []
    for offsets in itertools.product(*map(range, sizes)):
        part = [
            slice(o * step, o * step + (count - 1) * stride + 1, stride)
            for o, step, count, stride in zip(offsets, dilation, counts, strides, strict=True)
        ]
        patches.append(inputs[(slice(None), *part, slice(None))])
    columns = ops.concatenate(patches, axis=-1) if len(patches) > 1 else patches[0]
    width = columns.shape[-1]
    product = ops.matmul(ops.reshape(columns, (-1, width)), ops.reshape(kernel, (width, filters)))
    return ops.reshape(product, (-1, *counts, filters))
