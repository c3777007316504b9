"""Callbacks with mode="auto" learn which way is better, or are refused before training."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, compiled, labels, values, vector_net

import keras_fusion as kf
from keras_fusion.training._replica_epochs import Stopping

STOPPING = keras.callbacks.EarlyStopping
BETTER = {  # than the values before, by what is watched
    "val_loss": "less",  # Keras' own
    "val_central_loss": "less",
    "val_a_accuracy": "greater",
    "central_accuracy": "greater",
    "val_central_weighted_accuracy": "greater",
    "val_central_sparse_categorical_accuracy": "greater",
    "val_central_best": "greater",  # a metric of Keras by another name
    "val_central_sparse_categorical_crossentropy": "less",  # a function of Keras
    "val_a_f1_macro": "greater",
    "val_central_macro_accuracy": "greater",
    "val_a_number_of_errors": "less",
    "val_central_brier_score": "less",
    "val_central_expected_calibration_error": "less",
}


def odd(y_true, y_pred):
    return keras.ops.max(y_pred, axis=-1)


def new_model(*metrics, method="late_mean", **arguments):
    model = kf.build(method, {"a": vector_net("one"), "b": vector_net("two")}, **arguments)
    return compiled(model, metrics=list(metrics), weighted_metrics=["accuracy"])


def fit(model, *callbacks):
    data = batch(model), labels()
    return model.fit(*data, validation_data=data, verbose=0, callbacks=list(callbacks))


@pytest.mark.parametrize("missing", [False, True])
def test_direction_of_what_a_head_logs(missing):
    """A name that is not logged is a warning of Keras', an error here."""
    model = new_model(
        *("accuracy", "sparse_categorical_accuracy"),
        keras.losses.sparse_categorical_crossentropy,
        keras.metrics.SparseTopKCategoricalAccuracy(2, name="best"),
        *(kf.metrics.F1(), kf.metrics.MacroAccuracy(), kf.metrics.NumberOfErrors()),
        *(kf.metrics.BrierScore(), kf.metrics.ExpectedCalibrationError()),
        missing_modalities=missing,
        unimodal_loss_weights=1.0,
    )
    callbacks = {name: STOPPING(name) for name in BETTER}
    fit(model, *callbacks.values())
    assert {name: one.monitor_op.__name__ for name, one in callbacks.items()} == BETTER


@pytest.mark.parametrize("listed", [False, True])
def test_every_callback_that_watches(listed, tmp_path):
    """With one head, too, whose metrics have no name of a head in Keras."""
    name = "val_central_accuracy"
    callbacks = [
        STOPPING(name),
        keras.callbacks.ReduceLROnPlateau(name),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", name, save_best_only=True),
        STOPPING(name, mode="min"),  # what is given stays
    ]
    model = new_model("accuracy", method="gmu", fusion_units=3)
    assert model.heads == ["central"]
    data = batch(model), labels()
    given = callbacks
    if listed:
        given = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
    model.fit(*data, validation_data=data, verbose=0, callbacks=given)
    assert [callback.mode for callback in callbacks] == ["max", "max", "max", "min"]
    assert (tmp_path / "best.keras").exists()


def test_our_metrics_in_a_plain_model():
    model = compiled(vector_net(), metrics=[kf.metrics.F1(), kf.metrics.NumberOfErrors()])
    callbacks = [STOPPING("f1_macro"), STOPPING("number_of_errors")]
    model.fit(np.ones((4, 5)), labels(), verbose=0, callbacks=callbacks)
    assert [callback.monitor_op.__name__ for callback in callbacks] == ["greater", "less"]


def test_a_metric_that_does_not_say():
    model = new_model(odd)
    before = values(model)
    with pytest.raises(ValueError, match=r'mode="max" or mode="min" of EarlyStopping.*central_odd'):
        fit(model, STOPPING("val_central_odd"))
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    assert fit(model, STOPPING("val_central_odd", mode="max")).epoch == [0]


def test_early_stopping_of_replicas():
    """On JAX a replica's callback sees no `fit`; the callback as it was given stays as it is."""
    given, model = STOPPING("central_accuracy"), new_model("accuracy")
    stopping = Stopping(given, model)
    for epoch, accuracy in enumerate((0.5, 0.6)):
        stopping.after(epoch, {"central_accuracy": accuracy})
        assert not stopping.stopped
    stopping.after(2, {"central_accuracy": 0.4})
    assert stopping.stopped and given.mode == "auto"
