"""PadFrames: the first and last step repeated."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, floats, integers

from keras_fusion.layers import PadFrames

CASES = [
    Case(PadFrames, "video", {"frames": 2}, (floats(3, 2, 3, 4, 2),), (3, 6, 3, 4, 2)),
    Case(
        PadFrames,
        "integers",
        {"frames": 1},
        (integers(256, 3, 4, 2, dtype="uint8"),),
        (3, 6, 2),
        output_dtype="uint8",
    ),
]


@pytest.mark.parametrize("frames", [0, 1, 3])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 4, 2, 3, 2), (2, 1, 3)])
def test_as_numpy_pads_edges(frames, shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    rims = [(0, 0), (frames, frames)] + [(0, 0)] * (len(shape) - 2)
    np.testing.assert_array_equal(to_numpy(PadFrames(frames)(x)), np.pad(x, rims, mode="edge"))


def test_gradients_of_repeated_frames_add_up():
    x = np.random.default_rng(0).normal(size=(1, 3, 1)).astype("float32")
    _, (by_inputs,) = gradients(PadFrames(1), x)
    factors = np.random.default_rng(2).normal(size=(1, 5, 1))  # as in `gradients`
    f = factors[0, :, 0]
    np.testing.assert_allclose(by_inputs[0, :, 0], [f[0] + f[1], f[2], f[3] + f[4]], rtol=1e-5)


def test_any_length():
    x = keras.Input((None, 2))
    model = keras.Model(x, PadFrames(2)(x))
    assert model.output_shape == (None, None, 2)
    assert model(np.ones((1, 3, 2))).shape == (1, 7, 2)


@pytest.mark.parametrize("frames", [-1, 1.0, None, True])
def test_frames_is_an_int(frames):
    with pytest.raises(ValueError, match="frames: expected an int >= 0. Received: "):
        PadFrames(frames)


def test_needs_a_time_axis():
    with pytest.raises(ValueError, match=r"PadFrames: .*time.* Received: \(2, 3\)"):
        PadFrames(1)(np.ones((2, 3)))
