"""What the tests of XFlow's networks share: they are larger than those in tiny.py."""

import keras
import numpy as np
from helpers.tiny import batch, labels, reloaded, values

# Compiling one step takes TensorFlow longer than ten of them.
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}


def without_values():
    """Models built in here have no values in their weights: drawing millions takes a minute."""
    return keras.StatelessScope(initialize_variables=False)


def trains_and_reloads(model, folder, **options):
    """A step changes every weight; the saved model predicts the same and goes on training."""
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", **options)
    x, y = batch(model, 8), labels(8)
    before = values(model)
    assert np.isfinite(model.train_on_batch(x, y, return_dict=True)["loss"])
    after = values(model)
    for path, value in after.items():
        assert np.isfinite(value).all(), path
        assert np.any(value != before[path]), f"nothing reaches {path}"
    loaded = reloaded(model, folder)
    predicted, again = model.predict_on_batch(x), loaded.predict_on_batch(x)
    for head in predicted:
        np.testing.assert_array_equal(predicted[head], again[head])
        np.testing.assert_allclose(predicted[head].sum(axis=-1), 1, rtol=1e-5)
    loaded.train_on_batch(x, y)  # not equal: Keras does not save where dropout is
    assert int(loaded.optimizer.iterations) == 2
    assert all(np.any(a != b) for a, b in zip(values(loaded).values(), after.values(), strict=True))
