"""Samples that lack a modality: NaN in its place reaches nothing; losses and metrics by hand."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    CLASSES,
    assert_close,
    batch,
    compiled,
    cross_entropy,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    reloaded,
    sequence_net,
    values,
    vector_net,
)
from keras import Sequential, layers

from keras_fusion import build_centralnet

N = 8
# Columns in the order of the sorted names. Every pattern, the empty one too, and none twice alone.
PRESENT = np.array(
    [[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]],
    dtype="float32",
)
GIVEN = PRESENT.copy()  # to fit and evaluate, which refuse a sample without any modality
GIVEN[-1] = [1, 0, 0]
NAMES = ["c", "a", "b"]  # of the backbones, not sorted


def three(**arguments):
    nets = {"c": vector_net("one"), "a": norm_net("two"), "b": vector_net("three", features=6)}
    arguments = {"missing_modalities": True, "dropout": 0, **arguments}
    return build_centralnet(nets, **arguments)


def spoiled(x, present, value=np.nan):
    """The same data with `value` wherever a modality is absent."""
    found = {name: array.copy() for name, array in x.items()}
    for column, name in enumerate(sorted(x)):
        found[name][present[:, column] == 0] = value
    return {**found, "present": present}


# ---- outputs


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_absent_inputs_reach_no_output(value):
    model = three()
    randomize(model)
    x = batch(model, N)
    expected = outputs(model, {**x, "present": PRESENT})
    found = outputs(model, spoiled(x, PRESENT, value))
    assert all(np.isfinite(p).all() for p in found.values())
    assert_close(found, expected, atol=0)


def test_present_left_out_means_everything_is_there():
    model = three()
    x = batch(model, N)
    everything = outputs(model, {**x, "present": np.ones((N, 3), "float32")})
    assert_close(outputs(model, x), everything, atol=0)
    without = build_centralnet({name: vector_net(name) for name in NAMES})
    assert not without.has_present and model.has_present
    assert model.modalities == NAMES


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
def test_kinds_of_mask(dtype):
    model = three()
    x = batch(model, N)
    expected = outputs(model, {**x, "present": PRESENT})
    assert_close(outputs(model, {**x, "present": PRESENT.astype(dtype)}), expected, atol=0)


def test_columns_are_in_the_order_of_the_sorted_names():
    """Taking away column k changes the head of the k-th sorted name and no other."""
    model = three()
    randomize(model)
    x = batch(model, N)
    full = outputs(model, x)
    for column, name in enumerate(sorted(NAMES)):
        present = np.ones((N, 3), "float32")
        present[:, column] = 0
        found = outputs(model, {**x, "present": present})
        changed = [h for h in NAMES if np.abs(found[h] - full[h]).max() > 1e-6]
        assert changed == [name]
        assert np.abs(found["central"] - full["central"]).max() > 1e-6


@pytest.mark.parametrize("common", [True, False])
def test_sums_are_rescaled_as_documented(common):
    """Every level by hand in NumPy, with alphas of different size and sign for every source."""
    model = three(modality_scale=common)
    rng = np.random.default_rng(3)
    for level in range(2):
        alpha = model.get_layer(f"fusion_{level}").weights[0]
        alpha.assign(rng.uniform(0.3, 2.0, alpha.shape) * [1, -1, 1, -1, 1][: alpha.shape[0]])
    x = spoiled(batch(model, N), PRESENT)
    for level in range(2):
        fusion = model.get_layer(f"fusion_{level}")
        tensors = list(fusion._inbound_nodes[0].arguments.args[0])
        central = fusion._inbound_nodes[0].arguments.kwargs.get("central")
        inside = keras.Model(
            model.input, [*tensors, fusion.output, *([] if central is None else [central])]
        )
        found = [keras.ops.convert_to_numpy(t) for t in inside(x)]
        hidden, fused = found[:3], found[3]
        alpha = keras.ops.convert_to_numpy(fusion.weights[0]).astype("float64")
        of_layer = PRESENT[:, [sorted(NAMES).index(name) for name in NAMES]]
        expected = np.zeros(fused.shape)
        for row, here in enumerate(of_layer.astype(bool)):
            size = np.abs(alpha[:3])
            if here.any():
                rescale = size.sum() / size[here].sum()
                terms = [alpha[k] * hidden[k][row] for k in range(3) if here[k]]
                expected[row] = rescale * (alpha[-1] if common else 1) * np.sum(terms, axis=0)
            if central is not None:
                expected[row] += alpha[3] * found[4][row]
        np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-5)


# ---- loss and metrics


def by_hand(p, y, present, sample_weight=None):
    """Loss and accuracy of every head, absent samples left out; and the total loss."""
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    logs, total = {}, 0
    for head in p:
        here = weight * (1 if head == "central" else present[:, sorted(NAMES).index(head)])
        # Divided by the batch, so that a sample weighs the same whoever else is in its batch.
        logs[f"{head}_loss"] = (here * cross_entropy(p[head], y)).mean()
        total += logs[f"{head}_loss"]
        counted = here / weight  # weights of samples do not enter metrics=
        logs[f"{head}_accuracy"] = (counted * (p[head].argmax(-1) == y)).sum() / counted.sum()
    return {**logs, "loss": total}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("verb", ["evaluate", "test_on_batch", "fit"])
def test_absent_samples_count_neither_in_loss_nor_in_metrics(verb, weighted):
    model = compiled(three(), keras.optimizers.SGD(0.0), metrics=["accuracy"])
    x, y = spoiled(batch(model, N), GIVEN), labels(N)
    weight = np.linspace(0.5, 2.0, N) if weighted else None
    p = outputs(model, x, training=verb == "fit")
    expected = by_hand(p, y, GIVEN, weight)
    if verb == "fit":
        history = model.fit(x, y, batch_size=N, sample_weight=weight, verbose=0).history
        logs = {name: column[0] for name, column in history.items()}
    elif verb == "evaluate":
        logs = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    else:
        logs = model.test_on_batch(x, y, sample_weight=weight, return_dict=True)
    assert logs == pytest.approx(expected, rel=1e-5)


def test_metrics_are_means_over_the_samples_that_have_the_modality():
    """Over batches of different numbers of them as well."""
    model = compiled(three(), metrics={"a": ["accuracy"]}, weighted_metrics={"b": ["accuracy"]})
    x, y = spoiled(batch(model, N), GIVEN), labels(N)
    expected = by_hand(outputs(model, x), y, GIVEN)
    logs = model.evaluate(x, y, batch_size=3, verbose=0, return_dict=True)
    assert {k: v for k, v in logs.items() if k.endswith("accuracy")} == pytest.approx(
        {k: expected[k] for k in ("a_accuracy", "b_accuracy")}
    )


def test_one_sample_weight_per_head():
    model = compiled(three())
    x, y = spoiled(batch(model, N), GIVEN), labels(N)
    weight = {"a": np.linspace(0, 1, N), "central": np.linspace(1, 2, N)}
    p = outputs(model, x)
    logs = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    for head in p:
        given = weight.get(head, np.ones(N))
        if head != "central":
            given = given * GIVEN[:, sorted(NAMES).index(head)]
        expected = (given * cross_entropy(p[head], y)).mean()
        assert logs[f"{head}_loss"] == pytest.approx(expected, rel=1e-5)


# ---- training


def test_nan_never_reaches_a_weight():
    """Backbones with batch norm keep averages that one NaN would spoil for good."""
    model, twin = (compiled(three(), "adam", metrics=["accuracy"]) for _ in range(2))
    twin.set_weights(model.get_weights())
    x, y = batch(model, N), labels(N)
    history = model.fit(spoiled(x, GIVEN), y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(list(history.history.values())).all()
    found = values(model)
    assert all(np.isfinite(value).all() for value in found.values())
    # Not only finite: it is as if zeros had stood there.
    twin.fit(spoiled(x, GIVEN, 0.0), y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for weight, expected in zip(model.weights, twin.weights, strict=True):
        weight, expected = map(keras.ops.convert_to_numpy, (weight, expected))
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def test_a_modality_that_is_always_absent_keeps_its_weights():
    model = compiled(three(), keras.optimizers.SGD(1.0))
    present = np.tile([[0.0, 1.0, 1.0]], (N, 1)).astype("float32")  # without a
    x = spoiled(batch(model, N), present)
    net = model.get_layer("a_backbone")
    before = [keras.ops.convert_to_numpy(w).copy() for w in net.trainable_weights]
    alphas = [keras.ops.convert_to_numpy(model.get_layer(f"fusion_{i}").weights[0]) for i in (0, 1)]
    model.train_on_batch(x, labels(N))
    for weight, start in zip(net.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), start)
    for i, start in enumerate(alphas):
        after = keras.ops.convert_to_numpy(model.get_layer(f"fusion_{i}").weights[0])
        assert np.isfinite(after).all() and np.any(after != start)


def words(name):
    """Padded sequences of words: zeros are masked, and so is all of an absent text."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    x = layers.Dense(4, activation="tanh", name="states")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(4, activation="tanh", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name=name)


def recurrent(name):
    return Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(3),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        name=name,
    )


def states(name):
    """Ends in a vector, but meets one as a sequence: its steps are averaged by the builder."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    x = layers.LSTM(4, return_sequences=True, name="hidden")(x)
    x = layers.LSTM(3)(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name=name)


def float_words(name):
    """Ids in an input of floats, as `keras.Input((6,))` makes it."""
    net = words(name)
    inputs = keras.Input((6,))
    return keras.Model(inputs, net(inputs), name=name)


def steps(name):
    """Sequences of floats, padded with zeros."""
    inputs = keras.Input((6, 1))
    x = layers.Masking()(inputs)
    x = layers.Dense(4, activation="tanh", name="states")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(4, activation="tanh", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name=name)


@pytest.mark.parametrize("text", [words, float_words, steps, recurrent, states])
def test_absent_text(text):
    """Were all of an absent text masked, a mean over its steps would be NaN."""
    nets = {"text": text("words"), "vector": vector_net()}
    by_name = text in (words, steps, states)
    taps = {"text": ["hidden"], "vector": ["dense0"]} if by_name else "auto"
    model = compiled(build_centralnet(nets, missing_modalities=True, dropout=0, taps=taps))
    rng = np.random.default_rng(0)
    x = {
        "text": rng.integers(1, 9, (4, *nets["text"].input_shape[1:])),
        "vector": rng.normal(size=(4, 5)).astype("float32"),
        "present": np.array([[1, 1], [0, 1], [0, 1], [1, 0]], "float32"),
    }
    x["vector"][3] = np.nan
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    model.train_on_batch(x, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())


@pytest.mark.parametrize("net", [map_net, sequence_net])
def test_maps_and_sequences(net):
    nets = {"a": net("one"), "b": net("two")}
    model = compiled(build_centralnet(nets, missing_modalities=True, dropout=0))
    present = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")
    x = spoiled(batch(model), present)
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    model.train_on_batch(x, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_the_same_backbone_twice():
    net = vector_net("one")
    model = build_centralnet({"b": net, "a": net}, missing_modalities=True)
    x = spoiled(batch(model), np.array([[1, 0], [0, 1], [1, 1], [0, 0]], "float32"))
    alone = keras.ops.convert_to_numpy(net(np.where(np.isnan(x["a"]), 0, x["a"])))
    np.testing.assert_allclose(outputs(model, x)["a"], alone, rtol=1e-5, atol=1e-6)


# ---- saving and graphs


@pytest.mark.parametrize("fuse", ["logits", "probabilities"])
def test_mask_survives_saving(fuse, tmp_path):
    model = three(fuse=fuse)
    randomize(model)
    x = spoiled(batch(model, N), PRESENT)
    loaded = reloaded(model, tmp_path)
    assert_close(outputs(loaded, x), outputs(model, x), atol=0)
    del x["present"]
    x = {name: np.nan_to_num(array) for name, array in x.items()}
    assert_close(outputs(loaded, x), outputs(model, x), atol=0)


@pytest.mark.slow
def test_in_a_compiled_graph():
    """With the mask in some fits and without it in others; further keys; predict in batches."""
    model = compiled(three(), run_eagerly=False, metrics=["accuracy"])
    x, y = batch(model, N), labels(N)
    spoilt = {**spoiled(x, GIVEN), "further": np.full(N, np.nan)}
    logs = model.evaluate(spoilt, y, verbose=0, return_dict=True)
    assert logs == pytest.approx(by_hand(outputs(model, spoilt), y, GIVEN), rel=1e-4)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    everything = np.ones((N, 3))
    assert logs == pytest.approx(by_hand(outputs(model, x), y, everything), rel=1e-4)
    model.fit(spoilt, y, batch_size=4, validation_data=(spoilt, y), verbose=0)
    assert all(np.isfinite(value).all() for value in values(model).values())
    assert_close(model.predict(spoilt, batch_size=3, verbose=0), outputs(model, spoilt), atol=1e-5)


@pytest.mark.parametrize("width", [2, 4])
def test_mask_of_another_width(width):
    model = three()
    x = batch(model, N)
    with pytest.raises(ValueError, match=rf"present: expected .*3.*Received.*{width}"):
        outputs(model, {**x, "present": np.ones((N, width), "float32")})


# ---- samples without any modality


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict", "train_on_batch"])
def test_a_sample_without_any_modality_is_an_error(verb):
    model = compiled(three())
    x, y = spoiled(batch(model, N), PRESENT), labels(N)
    call = {
        "fit": lambda x: model.fit(x, y, verbose=0),
        "evaluate": lambda x: model.evaluate(x, y, verbose=0),
        "predict": lambda x: model.predict(x, verbose=0),
        "train_on_batch": lambda x: model.train_on_batch(x, y),
    }[verb]
    before = values(model)
    kinds = [PRESENT, PRESENT.astype("bool"), PRESENT.astype("int64").tolist()]
    for present in [*kinds, keras.ops.convert_to_tensor(PRESENT)]:
        with pytest.raises(ValueError, match="present: .*1 of 8 samples, the first .*number 7"):
            call({**x, "present": present})
    assert_close(values(model), before, atol=0)


def test_a_validation_sample_without_any_modality_is_an_error():
    model = compiled(three())
    x, y = batch(model, N), labels(N)
    with pytest.raises(ValueError, match="every sample to have a modality"):
        model.fit(x, y, validation_data=(spoiled(x, PRESENT), y), verbose=0)


def test_a_sample_without_any_modality_in_a_graph():
    """One and the same finite prediction, whatever stands in the inputs and who else is there."""
    model = three()
    randomize(model)
    x = batch(model, 3)
    nothing = outputs(model, spoiled(x, np.zeros((3, 3))))
    mixed = outputs(model, spoiled(x, np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0]])))
    assert all(np.isfinite(p).all() for p in nothing.values())
    for row in (0, 1, 2):
        np.testing.assert_allclose(nothing["central"][row], mixed["central"][1], rtol=1e-5)
    np.testing.assert_allclose(nothing["central"].sum(axis=-1), 1, rtol=1e-5)
