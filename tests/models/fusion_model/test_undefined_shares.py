"""Fusion weights of which nobody can say a share: an error that names the level."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, compiled, labels, vector_net

import keras_fusion as kf
from keras_fusion.training import FusionWeightsHistory

NAN, INF = float("nan"), float("inf")


def made(method):
    return kf.build(method, {"b": vector_net("one"), "a": vector_net("two")})


@pytest.mark.parametrize(
    ("method", "layer", "values", "said"),
    [
        ("centralnet", "fusion_1", 0.0, r'"level_1" \(layer "fusion_1"\): \[0. 0. 0.\]'),
        ("centralnet", "fusion_1", NAN, r'"level_1" \(layer "fusion_1"\): \[nan nan nan\]'),
        ("centralnet", "fusion_0", INF, r'"level_0" \(layer "fusion_0"\): \[nan nan\]'),
        ("weighted_mean", None, NAN, r'"level_0" .*: \[nan nan\]'),
        ("kernel_fusion", None, NAN, r'"level_0" .*: \[nan nan\]'),
        ("gmu", None, NAN, r'"level_0" .*: \[nan nan\]'),
        ("modality_gated", None, NAN, r'"level_0" .*nan'),
    ],
)
def test_says_so(method, layer, values, said):
    model = made(method)
    found = [x for x in model.layers if getattr(x, "fusion_weights_per", None)]
    chosen = found[0] if layer is None else model.get_layer(layer)
    for variable in chosen.trainable_variables:
        variable.assign(np.full(variable.shape, values))
    for per_sample in (False, True):
        with pytest.raises(ValueError, match="fusion_weights: expected numbers .*" + said) as error:
            model.fusion_weights(batch(model), per_sample=per_sample)
    # A level that has shares is not complained of, and all are there for a record.
    assert str(error.value).count("layer") == 1
    assert set(error.value.weights) == set(model.fusion_levels)


def test_one_weight_is_enough():
    model = made("centralnet")
    model.get_layer("fusion_0").alpha.assign([0.0, -2.0, 1.0])
    assert model.fusion_weights()["level_0"] == {"b": 0.0, "a": 1.0}


def test_the_record_of_a_training_goes_on():
    model, record = compiled(made("centralnet"), run_eagerly=True), FusionWeightsHistory()
    alpha = model.get_layer("fusion_0").alpha
    lost = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: alpha.assign([NAN if epoch else 0.0] * 3)
    )
    model.fit(batch(model), labels(), epochs=2, verbose=0, callbacks=[lost, record])
    assert [row["level_0"]["a"] for row in record.weights[:2]] == [0.5, 0.0]
    assert np.isnan(record.weights[2]["level_0"]["a"])
