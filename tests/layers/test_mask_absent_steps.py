"""MaskAbsentSteps: the steps of a sequence that a sample lacks do not count."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import Case, floats

from keras_fusion.layers import MaskAbsentSteps, MaskedAverage

HERE = np.array([[1.0], [0.0], [1.0]], "float32")
CASES = [Case(MaskAbsentSteps, "a sequence", {}, ([floats(3, 4, 2), HERE],), (3, 4, 2))]


def test_mask_in_a_graph():
    x = np.arange(1.0, 25).reshape(3, 4, 2).astype("float32")
    x[0, 2:] = x[1, 1:] = 0
    inputs = keras.Input((4, 2)), keras.Input((1,))
    masked = keras.layers.Masking()(inputs[0])
    model = keras.Model(inputs, MaskedAverage()(MaskAbsentSteps()([masked, inputs[1]])))
    expected = np.stack([x[0, :2].mean(0), np.zeros(2), x[2].mean(0)])
    np.testing.assert_allclose(to_numpy(model([x, HERE])), expected, rtol=1e-6)
    assert MaskAbsentSteps().compute_mask([x, HERE]) is None


@pytest.mark.parametrize("shapes", [((3, 2), (3, 1)), ((3, 4, 2), (3, 2))])
def test_other_shapes(shapes):
    with pytest.raises(ValueError, match=r"MaskAbsentSteps: .*\(batch, 1\)\]. Received: "):
        MaskAbsentSteps()([np.ones(shape) for shape in shapes])
