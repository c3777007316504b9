"""Models in 16 bits, and such that Keras quantized: exported, or refused before anything is."""

import keras
import numpy as np
import pytest
from helpers.exported import needs, on_tensorflow
from helpers.tiny import map_net, vector_net

import keras_fusion as kf
from keras_fusion.exporting import _float32


def made(policy="float32", **options):
    keras.config.set_dtype_policy(policy)
    try:
        nets = {"a": map_net("one"), "b": vector_net("two")}
        return kf.build_centralnet(nets, **options)
    finally:
        keras.config.set_dtype_policy("float32")


@on_tensorflow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_sixteen_bits(format, policy, tmp_path):
    needs(format)
    model = made(policy, missing_modalities=True)
    before = [np.array(v, "float32") for v in model.get_weights()]
    quantize = "dynamic" if (format, policy) == ("litert", "float16") else None
    report = kf.export(model, tmp_path / "m", format, quantize=quantize, verbose=False)
    assert 0 < report.max_difference < 0.02 <= report.tolerance
    # Nothing of the model itself has changed.
    assert policy in {layer.dtype_policy.name for layer in model.layers}
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, np.array(new, "float32"))


@pytest.mark.slow
@on_tensorflow
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantized_by_keras(tmp_path):
    model = made()
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"quantize\('int8'\)\. .*\"dynamic\""):
        kf.export(model, tmp_path / "m", "litert")
    assert list(tmp_path.iterdir()) == []
    report = kf.export(model, tmp_path / "1", "saved_model", verbose=False)
    assert report.max_difference < 1e-4


def test_the_same_model_in_float32():
    model = made("mixed_float16", missing_modalities=True)
    assert _float32.expressible(model, "saved_model") is model
    assert _float32.expressible(made(), "litert").name == "centralnet"
    copy = _float32.expressible(model, "litert")
    assert _float32.computes_in(copy) == {"float32"}
    assert [v.path for v in copy.weights] == [v.path for v in model.weights]
    assert copy.get_config()["fusion_levels"] == model.get_config()["fusion_levels"]


def test_a_layer_that_cannot_be_made_anew():
    class Unknown(keras.layers.Dense):
        """Of no registered name; a prediction as of Dense, whose call it has."""

        def get_config(self):
            return {**super().get_config(), "unknown": 1}

    inputs = keras.Input((4,))
    net = keras.Model(inputs, Unknown(3, activation="softmax", dtype="mixed_float16")(inputs))
    model = kf.build("late_mean", {"a": net, "b": vector_net("b")})
    with pytest.raises(RuntimeError, match="expected layers that can be made anew in float32"):
        _float32.expressible(model, "litert")
