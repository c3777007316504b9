"""ModDrop: how often it drops what, and when it does not."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import ModDrop

CASES = [
    Case(
        ModDrop,
        "maps and vectors",
        {"rate": 0.5, "seed": 1},
        ([floats(3, 5, 6, 2), floats(3, 4)],),
        [(3, 5, 6, 2), (3, 4)],
        training_differs=True,
    ),
    Case(
        ModDrop,
        "two with a schedule",
        {"rate": [0.4, keras.optimizers.schedules.PolynomialDecay(0.3, 9, 0.8)], "seed": 1},
        ([floats(3, 4), floats(3, 4)],),
        [(3, 4), (3, 4)],
        training_differs=True,
    ),
    Case(
        ModDrop,
        "three with present and rescaling",
        {"rate": [0.4, 0.5, 0.6], "rescale": True, "seed": 1},
        ([floats(3, 4), floats(3, 4), floats(3, 4)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
        training_differs=True,
    ),
]

MANY = 4000


def ones(n, count=MANY):
    """Modalities of different shapes."""
    shapes = [(2,), (3, 1), (1, 2, 2)]
    return [np.ones((count, *shapes[k]), "float32") for k in range(n)]


def kept(layer, modalities, **call):
    """Which modalities of which samples are kept, `(samples, n)`; each wholly or not at all."""
    columns = []
    for found in layer(modalities, training=True, **call):
        flat = np.reshape(to_numpy(found), (len(found), -1))
        assert np.all(flat == flat[:, :1]), "a modality is dropped as a whole"
        columns.append(flat[:, 0] != 0)
    return np.stack(columns, -1)


def close(found, expected):
    """Within five standard deviations of a share of MANY draws."""
    expected = np.asarray(expected)
    spread = np.sqrt(np.maximum(expected * (1 - expected), 1e-12) / MANY)
    np.testing.assert_array_less(np.abs(found - expected), 5 * spread + 1e-6)


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("n", [2, 3])
def test_one_modality_stays(rate, n):
    here = kept(ModDrop(rate, seed=1), ones(n))
    assert here.any(-1).all()
    close(1 - here.mean(0), np.full(n, rate - rate**n / n))


def test_rate_of_each_modality():
    rates = [0.2, 0.5, 0.8]
    here = kept(ModDrop(rates, seed=2), ones(3))
    assert here.any(-1).all()
    close(1 - here.mean(0), np.array(rates) - np.prod(rates) / 3)


def test_the_one_that_stays_is_any_of_them():
    """Also where the rates differ: all were drawn, so each has the same claim."""
    rates = [0.6, 0.9]
    here = kept(ModDrop(rates, seed=3), ones(2))
    only_first = (here == [True, False]).all(-1).mean()
    only_second = (here == [False, True]).all(-1).mean()
    close(only_first, 0.4 * 0.9 + 0.54 / 2)
    close(only_second, 0.6 * 0.1 + 0.54 / 2)


def test_allow_none_gives_exact_and_independent_rates():
    rates = [0.3, 0.6]
    here = kept(ModDrop(rates, allow_none=True, seed=4), ones(2))
    close(1 - here.mean(0), rates)
    close((~here).all(-1).mean(), 0.18)
    assert not kept(ModDrop(1.0, allow_none=True), ones(2)).any()


def test_rate_0_and_a_single_modality():
    assert kept(ModDrop(0.0), ones(3)).all()
    assert kept(ModDrop(0.7), ones(1)).all()
    here = kept(ModDrop([0.0, 1.0]), ones(2))
    assert here[:, 0].all() and not here[:, 1].any()


def test_present_is_combined():
    """Only what is there is drawn from, and one of that stays."""
    rows = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
    present = np.repeat(rows, MANY, axis=0)
    rates = np.array([0.4, 0.5, 0.6])
    here = kept(ModDrop(rates.tolist(), seed=5), ones(3, len(present)), present=present)
    assert not (here & ~present).any()
    np.testing.assert_array_equal(here.any(-1), present.any(-1))
    for row, part in zip(rows, here.reshape(4, MANY, 3), strict=True):
        n = max(row.sum(), 1)
        dropped = rates - np.prod(rates[row]) / n
        close(1 - part.mean(0), np.where(row, dropped, 1.0))


@pytest.mark.parametrize("allow_none", [False, True])
def test_rescaling_keeps_the_expected_value(allow_none):
    rows = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0]], bool)
    present = np.repeat(rows, MANY, axis=0)
    rates = [0.2, 0.5, 0.6]
    layer = ModDrop(rates, allow_none, rescale=True, seed=6)
    found = layer([np.ones((len(present), 1), "float32")] * 3, present=present, training=True)
    for k, column in enumerate(found):
        column = to_numpy(column).reshape(3, MANY)
        assert all(len(np.unique(part[part != 0])) <= 1 for part in column)
        np.testing.assert_allclose(column.mean(-1), rows[:, k], atol=0.12)
    plain = ModDrop(rates, allow_none, seed=6)(ones(3), training=True)
    assert set(np.unique(to_numpy(plain[1]))) == {0, 1}


def test_factors_are_exact():
    layer = ModDrop([0.2, 0.5], rescale=True, seed=0)
    found = to_numpy(layer([np.ones((50, 1), "float32")] * 2, training=True))
    values = [np.unique(column) for column in found]
    np.testing.assert_allclose(values[0].max(), 1 / (1 - (0.2 - 0.05)), rtol=1e-6)
    np.testing.assert_allclose(values[1].max(), 1 / (1 - (0.5 - 0.05)), rtol=1e-6)


def test_identity_at_inference():
    rng = np.random.default_rng(0)
    modalities = [rng.normal(size=(4, 3)).astype("float32") for _ in range(2)]
    for call in ({}, {"training": False}):
        found = ModDrop(0.9, rescale=True)(modalities, **call)
        for a, b in zip(found, modalities, strict=True):
            np.testing.assert_array_equal(a, b)
    present = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    modalities[0][1], modalities[1][0] = np.nan, np.inf
    found = ModDrop(0.9)(modalities, present=present)
    for k in range(2):
        expected = np.where(present[:, k, None], modalities[k], 0)
        np.testing.assert_allclose(found[k], expected, rtol=1e-6)


def test_absent_rubbish_is_gone_in_training():
    broken = [np.full((4, 2), np.nan, "float32"), np.ones((4, 2), "float32")]
    present = np.array([[0, 1]] * 4)
    for rescale in (False, True):
        layer = ModDrop(0.5, rescale=rescale)
        first, second = to_numpy(layer(broken, present=present, training=True))
        assert not np.any(first) and np.all(second == 1)


def test_seed():
    """Draws are the same with a seed, other ones at the next call and with another seed."""

    def two_calls(seed):
        layer = ModDrop(0.5, seed=seed)
        return [kept(layer, ones(3, 100)).tolist() for _ in range(2)]

    first, second = two_calls(7)
    assert [first, second] == two_calls(7)
    assert first != second
    assert first != two_calls(8)[0]


def test_kinds_of_tensors_stay():
    tokens = np.arange(8, dtype="int32").reshape(4, 2)
    images = np.ones((4, 2, 2, 1), "float32")
    found = ModDrop([0.0, 1.0])([images, tokens], training=True)
    assert [keras.backend.standardize_dtype(h.dtype) for h in found] == ["float32", "int32"]
    assert not np.any(to_numpy(found[1]))


def test_fit_draws_anew_in_every_step():
    """A compiled step: the state of the generator moves on."""
    inputs = [keras.Input((1,)) for _ in range(2)]
    dropped = ModDrop(0.5, seed=0)(inputs)
    weights = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, weights(keras.layers.Concatenate()(dropped)))
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    x = [np.ones((16, 1), "float32")] * 2
    target = np.zeros((16, 1), "float32")
    losses = {float(model.train_on_batch(x, target)) for _ in range(4)}
    assert len(losses) > 1
    model.reset_metrics()  # Keras 3.12 goes on with the running mean of training
    assert float(model.test_on_batch(x, target)) == 4.0


@pytest.mark.parametrize("rate", [-0.1, 1.5, "half", None, [0.5, 2.0], True])
def test_wrong_rates(rate):
    with pytest.raises(ValueError, match=r"rate: expected a float in \[0, 1\]"):
        ModDrop(rate)


def test_wrong_arguments_and_calls():
    with pytest.raises(TypeError, match="allow_none: expected True or False"):
        ModDrop(allow_none=1)
    with pytest.raises(TypeError, match="rescale: expected True or False"):
        ModDrop(rescale="yes")
    with pytest.raises(ValueError, match=r"each of the 3 modalities.*Received: \[0.1, 0.2\]"):
        ModDrop([0.1, 0.2])(ones(3, 4))


def ramp(end=1.0, steps=4):
    return keras.optimizers.schedules.PolynomialDecay(0.0, steps, end)


def test_rate_of_a_schedule():
    """Of the layer's own training steps; other calls neither drop nor count."""
    layer = ModDrop([ramp(), 0.5], allow_none=True, seed=1)
    for step in range(6):
        assert kept_in_inference(layer)
        here = kept(layer, ones(2))
        close(1 - here.mean(0), [min(step / 4, 1), 0.5])
    assert int(to_numpy(layer.step)) == 6
    layer(ones(2), present=np.ones((MANY, 2)), training=True)
    assert int(to_numpy(layer.step)) == 7
    factors = ModDrop(ramp(0.5, 1), rescale=True, allow_none=True, seed=1)
    first, second = (to_numpy(factors(ones(2), training=True)[0]).max() for _ in range(2))
    assert [first, second] == pytest.approx([1.0, 2.0])
    beyond = ModDrop(ramp(3.0, 1), allow_none=True)
    beyond(ones(2), training=True)
    assert not kept(beyond, ones(2)).any()


def kept_in_inference(layer):
    return all(np.all(to_numpy(x) == 1) for x in layer(ones(2)))


def scheduled(rate):
    inputs = [keras.Input((1,)) for _ in range(2)]
    dropped = ModDrop(rate, allow_none=True, seed=0, name="drop")(inputs)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, dense(keras.layers.Concatenate()(dropped)))
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    return model


def test_fit_follows_the_schedule_and_a_file_goes_on(tmp_path):
    """At rate 0 the loss is 4, at rate 1 it is 0."""
    x, y = [np.ones((16, 1), "float32")] * 2, np.zeros((16, 1), "float32")
    for rate in (ramp(steps=2), [ramp(steps=2), ramp(steps=2)]):
        model = scheduled(rate)
        losses = model.fit(x, y, epochs=2, verbose=0).history["loss"]
        assert losses[0] == 4 and 0 < losses[1] < 4
        assert model.evaluate(x, y, verbose=0) == 4
        model.save(tmp_path / "model.keras")
        model = keras.saving.load_model(tmp_path / "model.keras")
        layer = model.get_layer("drop")
        assert int(to_numpy(layer.step)) == 2
        again = layer.rate[0] if isinstance(rate, list) else layer.rate
        assert again.get_config() == ramp(steps=2).get_config()
        assert model.fit(x, y, verbose=0).history["loss"] == [0]


def test_no_counter_without_a_schedule():
    layer = ModDrop(0.5)
    layer(ones(2, 1), training=True)
    assert layer.step is None and len(layer.weights) == 0


def test_schedules_that_do_not_fit():
    schedules = keras.optimizers.schedules
    for rate in (schedules.PolynomialDecay(0, 4, 1), schedules.PolynomialDecay(2.0, 4, 0.5)):
        with pytest.raises(ValueError, match="or a schedule that starts from one"):
            ModDrop([0.5, rate])
