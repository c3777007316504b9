"""The checks of test_conformance.py themselves: each goes red on a layer broken in its way."""

import json

import conformance
import keras
import layer_cases
import numpy as np
import pytest
from keras import ops
from layers import test_conformance as checks


@keras.saving.register_keras_serializable(package="keras_fusion_tests")
class Good(keras.layers.Layer):
    """Everything a row may hold: a list, integers, a flag, a draw, layers inside, two outputs."""

    def __init__(self, units, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy, name="dense")
        self.table = keras.layers.Embedding(9, units, dtype=self.dtype_policy, name="table")

    def build(self, modalities_shape, tokens_shape):
        self.alpha = self.add_weight(
            shape=(len(modalities_shape),), initializer="ones", name="alpha"
        )
        self.dense.build(modalities_shape[0])
        self.table.build(tokens_shape)

    def call(self, modalities, tokens, negative=False, training=False):
        x = self.alpha[0] * modalities[0] + self.alpha[1] * modalities[1]
        x = self.dense(x)
        if training:
            x = keras.random.dropout(x, 0.2, seed=self.seed_generator)
        return -x if negative else x, self.table(tokens)

    def compute_output_shape(self, modalities_shape, tokens_shape):
        return [(*modalities_shape[0][:-1], self.units), (*tokens_shape, self.units)]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "seed": self.seed}


def row(layer):
    return layer_cases.Case(
        layer,
        label="toy",
        init={"units": 4, "seed": 1},
        inputs=([layer_cases.floats(3, 5), layer_cases.floats(3, 5)],),
        keywords={"tokens": layer_cases.integers(9, 3, 2), "negative": True},
        output_shape=[(3, 4), (3, 2, 4)],
        training_differs=True,
        partly_still=("table/embeddings",),
    )


def test_good_layer(tmp_path):
    case = row(Good)
    checks.test_config(case)
    checks.test_symbolic_is_eager(case)
    checks.test_gradient_reaches_every_weight(case)
    checks.test_sample_alone_is_sample_in_batch(case)
    checks.test_two_calls_are_equal(case)
    checks.test_training(case)
    checks.test_saving(case, tmp_path)
    checks.test_mixed_precision(case, "mixed_bfloat16", 3e-2)
    checks.test_mixed_precision(case, "mixed_float16", 4e-3)


@pytest.mark.parametrize("jit", checks.JIT)
def test_good_layer_fits(jit):
    checks.fit([row(Good)], jit)


class ForgetsSeed(Good):
    def get_config(self):
        return {"units": self.units, **keras.layers.Layer.get_config(self)}


class ChangesAttribute(Good):
    def build(self, modalities_shape, tokens_shape):
        super().build(modalities_shape, tokens_shape)
        self.units += 1


class SaysOtherShape(Good):
    def compute_output_shape(self, modalities_shape, tokens_shape):
        return super().compute_output_shape(modalities_shape, tokens_shape)[::-1]


class ReturnsIntegers(Good):
    def call(self, modalities, tokens, negative=False, training=False):
        x, y = super().call(modalities, tokens, negative, training)
        return x, ops.cast(y, "int32")


class BuildsForShape(Good):
    def compute_output_shape(self, modalities_shape, tokens_shape):
        if not self.built:
            self.build(modalities_shape, tokens_shape)
        return super().compute_output_shape(modalities_shape, tokens_shape)


class FirstAlphaTwice(Good):
    """As in a published CentralNet: the second alpha never learns."""

    def call(self, modalities, tokens, negative=False, training=False):
        total = modalities[0] + modalities[1]
        return super().call([total, ops.zeros_like(total)], tokens, negative, training)


class StopsGradient(Good):
    def call(self, modalities, tokens, negative=False, training=False):
        x, y = super().call(modalities, tokens, negative, training)
        return ops.stop_gradient(x), y


class LooksAcrossBatch(Good):
    def call(self, modalities, tokens, negative=False, training=False):
        modalities = [m - ops.mean(m, axis=0, keepdims=True) for m in modalities]
        return super().call(modalities, tokens, negative, training)


class ProjectsAnew(Good):
    """As in a published fuser: a new random projection at every call."""

    def call(self, modalities, tokens, negative=False, training=False):
        factor = keras.random.normal((5,), seed=self.seed_generator, dtype=self.compute_dtype)
        return super().call([m * factor for m in modalities], tokens, negative, training)


class NeverDraws(Good):
    def call(self, modalities, tokens, negative=False, training=False):
        return super().call(modalities, tokens, negative, training=False)


class DrawsWithoutSeed(Good):
    def call(self, modalities, tokens, negative=False, training=False):
        x, y = super().call(modalities, tokens, negative, training=False)
        return (keras.random.dropout(x, 0.2) if training else x), y


@keras.saving.register_keras_serializable(package="keras_fusion_tests")
class HidesState(Good):
    """As in a published low-rank fusion: factors that are no weights."""

    def __init__(self, units, seed=None, **kwargs):
        super().__init__(units, seed, **kwargs)
        self.factor = [float(np.random.default_rng().normal())]

    def call(self, modalities, tokens, negative=False, training=False):
        return super().call([m * self.factor[0] for m in modalities], tokens, negative, training)


class ForgetsPolicy(Good):
    """Its inner layers follow the global policy, not the layer's own."""

    def __init__(self, units, seed=None, **kwargs):
        super().__init__(units, seed, **kwargs)
        self.dense = keras.layers.Dense(units, name="dense")
        self.table = keras.layers.Embedding(9, units, name="table")


class ComputesInHalf(Good):
    """The product overflows float16 on the way to a harmless value."""

    def call(self, modalities, tokens, negative=False, training=False):
        return super().call([m * 60000.0 / 60000.0 for m in modalities], tokens, negative, training)


def mixed(case):
    checks.test_mixed_precision(case, "mixed_float16", 4e-3)


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (checks.test_config, ForgetsSeed),
        (checks.test_config, ChangesAttribute),
        (checks.test_symbolic_is_eager, SaysOtherShape),
        (checks.test_symbolic_is_eager, ReturnsIntegers),
        (checks.test_symbolic_is_eager, BuildsForShape),
        (checks.test_gradient_reaches_every_weight, FirstAlphaTwice),
        (checks.test_gradient_reaches_every_weight, StopsGradient),
        (checks.test_sample_alone_is_sample_in_batch, LooksAcrossBatch),
        (checks.test_two_calls_are_equal, ProjectsAnew),
        (checks.test_training, NeverDraws),
        (checks.test_training, DrawsWithoutSeed),
        (lambda case: checks.fit([case], "auto"), FirstAlphaTwice),
        (lambda case: checks.fit([case], "auto"), StopsGradient),
        (mixed, ForgetsPolicy),
        (mixed, ComputesInHalf),
    ],
)
def test_broken_layer_is_seen(check, broken):
    # Keras itself warns of weights without gradients, and here warnings are errors.
    with pytest.raises((AssertionError, UserWarning)):
        check(row(broken))


def test_hidden_state_is_seen(tmp_path):
    with pytest.raises(AssertionError):
        checks.test_saving(row(HidesState), tmp_path)


def test_other_weights_than_golden_are_seen(tmp_path, monkeypatch):
    case, path = row(Good), tmp_path / "golden.json"
    monkeypatch.setattr(checks, "GOLDEN", path)
    entry = conformance.golden_entry(case)
    assert entry["weights"][0] == "alpha (2,) float32"
    path.write_text(json.dumps({str(case): entry}))
    checks.test_golden(case)
    for old, new in [("alpha", "weight"), ("(2,)", "(3,)"), ("float32", "float16")]:
        weights = [entry["weights"][0].replace(old, new), *entry["weights"][1:]]
        path.write_text(json.dumps({str(case): {**entry, "weights": weights}}))
        with pytest.raises(AssertionError):
            checks.test_golden(case)
