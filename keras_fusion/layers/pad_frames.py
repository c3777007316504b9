"""Repeats the first and the last frame of a video, as zero-padding does with zeros."""

import keras
from keras import ops

from keras_fusion._checks import check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class PadFrames(keras.layers.Layer):
    """Repeats the first and the last time step, `frames` times each (edge padding in time).

    Use it before a 3-D (or 1-D) convolution with `padding="valid"` in time, so that the output
    has as many time steps as the input. Unlike zeros, repeated frames make no edge: a video that
    stands still looks the same at every step, so a network inflated from a 2-D one gives the
    2-D network's features at each of them. `kf.backbones.inflate` places it.

    Args:
        frames: Integer not below 0, how many are added at either end; for a kernel of k steps (k -
            1) / 2.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, time, ...)`.

    Output shape:
        `(batch, time + 2 * frames, ...)`.

    Raises:
        ValueError: a negative number of frames, or an input without a time axis.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> video = np.array([[[1.0], [2.0], [3.0]]])
    >>> ops.convert_to_numpy(kf.layers.PadFrames(1)(video))[0, :, 0].tolist()
    [1.0, 1.0, 2.0, 3.0, 3.0]

    Reference:
        Carreira & Zisserman (2017), Quo Vadis, Action Recognition? A New Model and the Kinetics
        Dataset, Sect. 2.4 (the bootstrapping of 3-D filters from 2-D ones by still videos).
    """

    def __init__(self, frames, **kwargs):
        super().__init__(**kwargs)
        frames = check_int("frames", frames, minimum=0)
        self.frames = frames

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shape):
        if len(shape) < 3:
            raise ValueError(
                f"PadFrames: expected an input (batch, time, ..., features). Received: "
                f"{tuple(shape)}"
            )

    def call(self, inputs):
        first, last = inputs[:, :1], inputs[:, -1:]
        return ops.concatenate([first] * self.frames + [inputs] + [last] * self.frames, axis=1)

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        batch, time, *rest = input_shape
        return (batch, None if time is None else time + 2 * self.frames, *rest)

    def compute_output_spec(self, inputs):
        # Keras would say the compute dtype; integers stay integers.
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "frames": self.frames}
