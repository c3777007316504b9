"""ZeroMaskedSteps: zeros where a step is masked, whatever stands there."""

import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import ZeroMaskedSteps

CASES = [
    Case(ZeroMaskedSteps, "all steps", {}, (integers(9, 3, 5, 2),), (3, 5, 2)),
    Case(
        ZeroMaskedSteps,
        "some steps",
        {},
        (floats(3, 3, 2),),
        (3, 3, 2),
        keywords={"mask": PRESENT},
    ),
]


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_masked_steps_reach_nothing(dtype):
    mask = np.array([[1, 1, 0], [0, 1, 1]], bool)
    x = np.where(mask[:, :, None], np.arange(1, 13).reshape(2, 3, 2), np.nan).astype("float32")
    layer = ZeroMaskedSteps()
    expected = np.where(mask[:, :, None], x, 0)
    np.testing.assert_array_equal(to_numpy(layer(x, mask=mask.astype(dtype))), expected)
    _, (by_inputs,) = gradients(layer, x, mask=mask)
    assert (by_inputs[mask] != 0).all() and not by_inputs[~mask].any()
    np.testing.assert_array_equal(to_numpy(layer(expected)), expected)
    assert layer.compute_mask(x, mask) is None


def test_other_ranks():
    with pytest.raises(ValueError, match=r"ZeroMaskedSteps: .*\(batch, time, f.*: \(2, 3\)"):
        ZeroMaskedSteps()(np.ones((2, 3)))
