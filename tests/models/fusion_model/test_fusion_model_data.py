"""Everything that fit, evaluate and predict take for data, and what they say to wrong data."""

import keras
import numpy as np
import pytest
from helpers.tiny import assert_close, batch, compiled, labels, outputs, vector_net

from keras_fusion import build_centralnet

N = 8
IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
needs_tensorflow = pytest.mark.skipif(not IS_TENSORFLOW, reason="tf.data on its own backend")


def new_model(**arguments):
    nets = {"b": vector_net("one"), "a": vector_net("two", features=6)}
    arguments = {"metrics": ["accuracy"], **arguments}
    return compiled(build_centralnet(nets, dropout=0), **arguments)


@pytest.fixture(scope="module")
def model():
    """One model for all tests that only look at what is accepted; it is never trained."""
    return new_model()


@pytest.fixture
def x(model):
    return batch(model, N)


class Batches(keras.utils.PyDataset):
    """Two batches of four, with or without targets."""

    def __init__(self, *columns):
        super().__init__()
        self.columns = columns

    def __len__(self):
        return N // 4

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return keras.tree.map_structure(lambda array: array[part], self.columns)


def arrays(x, y):
    return {"x": x, "y": y, "batch_size": 4}


def every_head(x, y):
    return {**arrays(x, y), "y": {"a": y, "b": y, "central": y}}


def py_dataset(x, y):
    return {"x": Batches(x, y)}


def py_dataset_of_dicts(x, y):
    return {"x": Batches(x, {"central": y, "b": y, "a": y})}


def generator(x, y):
    def endless():
        while True:
            yield from (
                (batches[0], batches[1]) for batches in map(Batches(x, y).__getitem__, (0, 1))
            )

    return {"x": endless(), "steps_per_epoch": 2}


def tf_data(x, y):
    import tensorflow as tf

    return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(4)}


def further_keys(x, y):
    return arrays({"zzz": np.zeros((N, 3), "float32"), **x, "aaa": np.zeros(N)}, y)


def further_keys_in_py_dataset(x, y):
    return py_dataset({"zzz": np.zeros((N, 3), "float32"), **x, "aaa": np.zeros(N)}, y)


def further_keys_in_tf_data(x, y):
    return tf_data({"zzz": np.zeros((N, 3), "float32"), **x, "aaa": np.zeros(N)}, y)


def other_order(x, y):
    return arrays({name: x[name] for name in sorted(x)}, y)


SOURCES = [
    arrays,
    every_head,
    py_dataset,
    py_dataset_of_dicts,
    generator,
    further_keys,
    further_keys_in_py_dataset,
    other_order,
    pytest.param(tf_data, marks=needs_tensorflow),
    pytest.param(further_keys_in_tf_data, marks=needs_tensorflow),
]


@pytest.fixture(scope="module")
def reference():
    """Losses of two epochs on plain arrays, and the weights afterwards."""
    model = new_model()
    start = model.get_weights()
    data = arrays(batch(model, N), labels(N))
    history = model.fit(**data, epochs=2, shuffle=False, verbose=0).history
    return start, history, model.get_weights()


@pytest.mark.parametrize("source", SOURCES)
def test_all_sources_of_data_train_the_same_model(source, reference, x):
    start, history, end = reference
    model = new_model()
    model.set_weights(start)
    found = model.fit(**source(x, labels(N)), epochs=2, shuffle=False, verbose=0).history
    assert_close(found, history)
    for weight, expected in zip(model.get_weights(), end, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)


def test_one_batch_at_a_time_trains_the_same_model(reference, x):
    start, _, end = reference
    model = new_model()
    model.set_weights(start)
    for _ in range(2):
        for part in (slice(0, 4), slice(4, 8)):
            model.train_on_batch({k: v[part] for k, v in x.items()}, labels(N)[part])
    for weight, expected in zip(model.get_weights(), end, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_compiled_graphs_train_the_same_model(steps_per_execution, reference, x):
    if steps_per_execution > 1 and keras.backend.backend() == "torch":
        pytest.skip("Keras: torch has no steps_per_execution")
    start, history, end = reference
    model = new_model(run_eagerly=False, steps_per_execution=steps_per_execution)
    model.set_weights(start)
    data = further_keys(x, labels(N))
    found = model.fit(**data, epochs=2, shuffle=False, verbose=0).history
    assert_close(found, history, atol=1e-5)
    for weight, expected in zip(model.get_weights(), end, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)
    predicted = model.predict(further_keys(x, None)["x"], batch_size=3, verbose=0)
    assert_close(predicted, outputs(model, x), atol=1e-5)


@needs_tensorflow
@pytest.mark.parametrize("source", [arrays, every_head])
def test_the_first_step_is_traced_once(source, x):
    # A function that makes variables is traced twice, which took half of a first fit's time.
    model = new_model(run_eagerly=False)
    step, traced = model.train_step, []
    model.train_step = lambda data: traced.append(1) or step(data)
    model.fit(**source(x, labels(N)), verbose=0)
    assert len(traced) == 1


def test_predictions_agree(model, x):
    """predict, predict_on_batch and the call; with further keys; in batches that do not divide."""
    expected = outputs(model, x)
    more = {**x, "further": np.zeros(N)}
    assert_close(model.predict(more, batch_size=3, verbose=0), expected)
    assert_close(model.predict(Batches(more), verbose=0), expected)
    assert_close(model.predict_on_batch(more), expected)
    assert_close(outputs(model, more), expected)


def test_evaluations_agree(model, x):
    y = labels(N)
    expected = model.evaluate(x, y, batch_size=N, verbose=0, return_dict=True)
    assert model.evaluate(x, y, batch_size=3, verbose=0, return_dict=True) == pytest.approx(
        expected, rel=1e-4
    )
    for data in (py_dataset(x, y), further_keys_in_py_dataset(x, y)):
        found = model.evaluate(**data, verbose=0, return_dict=True)
        assert found == pytest.approx(expected, rel=1e-4)
    found = model.test_on_batch({**x, "further": y}, y, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)


def test_validation_data(x):
    """Split off, given as arrays with further keys and weights, or as a data set."""
    model = new_model(optimizer=keras.optimizers.SGD(0.0))
    y = labels(N)
    train, valid = ({k: v[part] for k, v in x.items()} for part in (slice(0, 4), slice(4, N)))
    more = {**valid, "further": np.zeros(4)}
    weight = np.array([1.0, 2.0, 0.0, 1.0])

    def fitted(*data, **arguments):
        return model.fit(*data, verbose=0, **arguments).history["val_loss"][0]

    split = fitted(x, y, validation_split=0.5)
    given = fitted(train, y[:4], validation_data=(more, y[4:]))
    assert split == pytest.approx(given, rel=1e-5)
    weighted = fitted(train, y[:4], validation_data=(more, y[4:], weight))
    assert weighted != pytest.approx(given, rel=1e-3)
    assert weighted == pytest.approx(
        model.evaluate(valid, y[4:], sample_weight=weight, verbose=0, return_dict=True)["loss"],
        rel=1e-4,
    )
    half = Batches(more, y[4:])
    half.__class__ = type("One", (Batches,), {"__len__": lambda self: 1})
    assert fitted(train, y[:4], validation_data=half) == pytest.approx(given, rel=1e-4)


# ---- wrong data


def without(x, name):
    return {k: v for k, v in x.items() if k != name}


VERBS = {
    "fit": lambda m, x: m.fit(x, labels(N), verbose=0),
    "evaluate": lambda m, x: m.evaluate(x, labels(N), verbose=0),
    "predict": lambda m, x: m.predict(x, verbose=0),
    "train_on_batch": lambda m, x: m.train_on_batch(x, labels(N)),
    "test_on_batch": lambda m, x: m.test_on_batch(x, labels(N)),
    "predict_on_batch": lambda m, x: m.predict_on_batch(x),
    "call": lambda m, x: m(x),
    "validation_data": lambda m, x: m.fit(
        batch(m, N), labels(N), validation_data=(x, labels(N)), verbose=0
    ),
}


# What Keras itself says where it has looked before us.
OURS = r"'b', 'a'.*Received: \['b', 'zzz'\], without \['a'\]"
KERAS_OWN = 'Missing data for input "a"'


@pytest.mark.parametrize("verb", VERBS)
def test_missing_modality_is_named(verb, model, x):
    with pytest.raises(ValueError, match=f"{OURS}|{KERAS_OWN}" if verb == "call" else OURS):
        VERBS[verb](model, {**without(x, "a"), "zzz": x["b"]})


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("make", [lambda x: list(x.values()), lambda x: x["b"]])
def test_data_that_are_no_dict(verb, make, model, x):
    given = make(x)
    kind = "list" if isinstance(given, list) else "ndarray"
    ours = f"x: expected a dict .*'b', 'a'.*Received: {kind}"
    # Keras 3.12 counts, Keras 3.15 names.
    keras_own = r"expects 2 (named )?input|with name 'a' .*is incompatible|is incompatible with"
    with pytest.raises(ValueError, match=keras_own if verb == "call" else ours):
        VERBS[verb](model, given)


@pytest.mark.parametrize(
    "source", [py_dataset, generator, pytest.param(tf_data, marks=needs_tensorflow)]
)
@pytest.mark.parametrize("verb", ["fit", "evaluate"])
def test_missing_modality_in_a_data_set_is_named(verb, source, model, x):
    data = source({**without(x, "a"), "zzz": x["b"]}, labels(N))
    if verb == "evaluate":
        data = {("steps" if k == "steps_per_epoch" else k): v for k, v in data.items()}
    if verb == "fit":
        data["shuffle"] = False
    with pytest.raises(ValueError, match=f"{OURS}|{KERAS_OWN}"):
        getattr(model, verb)(**data, verbose=0)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ({"central": labels(N), "a": labels(N)}, r"y: .*'a', 'b', 'central'.*without \['b'\]"),
        (labels(N) - 1, "y: expected class indices from 0 to 2 .*'central'.*Received: .* -1 "),
        (labels(N) + 1, "y: expected class indices from 0 to 2 .*Received: .* to 3"),
        (np.where(labels(N), np.nan, 0.0), "y: expected finite numbers.*NaN in 6 of 8 samples"),
        (
            {"central": labels(N), "a": labels(N) + 1, "b": labels(N)},
            r'y\["a"\]: expected class indices .*Received: .* to 3',
        ),
    ],
)
@pytest.mark.parametrize("verb", ["fit", "evaluate", "train_on_batch", "validation_data"])
def test_wrong_targets(verb, y, match, model, x):
    quiet = {"verbose": 0} if "batch" not in verb else {}
    with pytest.raises(ValueError, match=match):
        if verb == "validation_data":
            model.fit(x, labels(N), validation_data=(x, y), verbose=0)
        else:
            getattr(model, verb)(x, y, **quiet)


def test_wrong_sample_weights(model, x):
    with pytest.raises(ValueError, match="sample_weight: .*'a', 'b', 'central'.*Received: .*'c'"):
        model.evaluate(x, labels(N), sample_weight={"c": np.ones(N)}, verbose=0)


def test_labels_of_other_losses_are_not_class_indices(x):
    model = new_model(loss="mse", metrics=None)
    y = np.full((N, 3), -7.5, "float32")
    assert np.isfinite(model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
