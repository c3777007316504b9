"""One prediction for every step of a sequence or place of a map."""

import keras
import numpy as np
import pytest
from helpers.tiny import assert_close, batch, outputs, reloaded, vector_net, without_weights
from keras import layers, ops

import keras_fusion as kf

METHODS = ["centralnet", "gmu", "late_mean", "late_max", "late_product", "late_vote",
           "weighted_mean", "concat", "concat_multitask", "ensemble"]  # fmt: skip
N, STEPS, SIZE, CLASSES = 4, 5, 4, 3
OWN = {"gmu": {"fusion_units": 3}, "centralnet": {"dropout": 0.0}}
QUICK = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}
HERE = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], "float32")
to_numpy = ops.convert_to_numpy


def steps(features, masked=True, end="softmax", length=STEPS):
    """A recurrent network with a prediction for every step; steps of zeros are padding."""
    x = inputs = keras.Input((length, features))
    x = layers.Masking()(x) if masked else x
    x = layers.GRU(4, return_sequences=True, name=f"hidden{features}")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, end, name=f"out{features}")(x))


def pixels(channels, width=CLASSES, end="softmax", factor=2):
    """A map that gets smaller and grows again, with a prediction for every place."""
    x = inputs = keras.Input((SIZE, SIZE, channels))
    for i in range(2):
        x = layers.Conv2D(3, 3, padding="same", activation="tanh", name=f"conv{i}_{channels}")(x)
        x = (layers.MaxPooling2D(2) if i == 0 else layers.UpSampling2D(factor))(x)
    return keras.Model(inputs, layers.Conv2D(width, 1, activation=end, name=f"out{channels}")(x))


def pair(kind, **arguments):
    make = steps if kind == "steps" else pixels
    return {"a": make(1, **arguments), "b": make(2, **arguments)}


def data(kind, padded=True):
    """Inputs, labels, and weights of the steps or places."""
    rng = np.random.default_rng(0)
    places = (STEPS,) if kind == "steps" else (SIZE, SIZE)
    x = {n: rng.normal(size=(N, *places, k)).astype("float32") for k, n in enumerate("ab", 1)}
    if kind == "steps" and padded:
        for values in x.values():
            values[0, 3:] = values[1, 4:] = 0
    y = rng.integers(0, CLASSES, (N, *places))
    return x, y, rng.uniform(0.2, 2, (N, *places)).astype("float32")


def built(method, nets, **arguments):
    return kf.build(method, nets, **OWN.get(method, {}), **arguments)


@pytest.mark.parametrize("method", [m.name for m in kf.methods()])
def test_which_methods(method):
    kind = "pixels" if method in METHODS[::2] else "steps"
    nets = pair(kind)
    with without_weights():
        if method in METHODS:
            model = built(method, nets)
            places = (STEPS,) if kind == "steps" else (SIZE, SIZE)
            assert {o.shape for o in model.output.values()} == {(None, *places, CLASSES)}
            return
        with pytest.raises(ValueError, match="expected (one|another)|levels|one input"):
            kf.build(method, nets)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "method", "missing", "weights"),
    [
        ("steps", "gmu", True, "samples"),
        ("pixels", "late_mean", True, "samples"),
        pytest.param("steps", "centralnet", True, "none", marks=slow),
        pytest.param("steps", "centralnet", False, "places", marks=slow),
        pytest.param("pixels", "centralnet", True, "places", marks=slow),
        pytest.param("steps", "late_mean", False, "none", marks=slow),
        pytest.param("pixels", "gmu", False, "samples", marks=slow),
    ],
)
def test_like_a_plain_model(kind, method, missing, weights):
    """The same layers in a Keras model, which gets all weights as those of places."""
    model = built(method, pair(kind), missing_modalities=missing)
    plain = keras.Model(model.input, dict(model.output))
    start = model.get_weights()
    x, y, of_places = data(kind)
    shape = (N, *[1] * (y.ndim - 1))
    of_samples = of_places.reshape(N, -1)[:, 0]
    repeated = np.ones_like(of_places) * of_samples.reshape(shape)
    full = {"none": np.ones_like(of_places), "places": of_places, "samples": repeated}[weights]
    given = {"none": None, "places": of_places, "samples": of_samples}[weights]
    masks = {head: np.ones(N, "float32") for head in model.heads}
    if missing:
        x["present"] = HERE
        masks |= {head: HERE[:, k] for k, head in enumerate("ab") if head in model.heads}
    expected = {head: mask.reshape(shape) * full for head, mask in masks.items()}
    loss = "sparse_categorical_crossentropy"
    if kind == "pixels":  # Keras' sparse loss of maps fails on PyTorch, behind a convolution
        y, loss = np.eye(CLASSES, dtype="float32")[y], "categorical_crossentropy"
    losses = dict.fromkeys(model.heads, loss)
    found = []
    for net, weight, loss in ((model, given, losses["central"]), (plain, expected, losses)):
        net.set_weights(start)
        scores = ["accuracy"] if net is model else {head: ["accuracy"] for head in losses}
        net.compile(keras.optimizers.SGD(0.1), loss, weighted_metrics=scores, **QUICK)
        own = y if net is model else dict.fromkeys(losses, y)
        for _ in range(2):
            net.train_on_batch(x, own, sample_weight=weight)
        net.reset_metrics()
        logs = net.test_on_batch(x, own, sample_weight=weight, return_dict=True)
        if len(losses) == 1:  # Keras leaves out the name of a single head
            logs = {k.replace("central_", ""): v for k, v in logs.items() if k != "central_loss"}
        found.append({k: float(v) for k, v in logs.items()})
        found.append(net.get_weights())
    assert found[0] == pytest.approx(found[2], rel=1e-4, abs=1e-6)
    for one, other in zip(found[1], found[3], strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@pytest.mark.parametrize("method", ["centralnet", "gmu", "late_product"])
def test_padding_changes_nothing(method):
    """The loss and the predictions of padded sequences are those of the shorter ones."""
    keras.utils.set_random_seed(1)
    model = built(method, {"a": steps(1, length=None), "b": steps(2, length=None)})
    model.compile("sgd", "sparse_categorical_crossentropy", **QUICK)
    x, y, _ = data("steps", padded=False)
    padded = {name: np.pad(values, ((0, 0), (0, 3), (0, 0))) for name, values in x.items()}
    longer = outputs(model, padded)
    assert_close({k: v[:, :STEPS] for k, v in longer.items()}, outputs(model, x))
    losses = [
        model.test_on_batch(inputs, labels, return_dict=True)["loss"]
        for inputs, labels in ((x, y), (padded, np.pad(y, ((0, 0), (0, 3)))))
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    if method == "gmu":
        shares = (model.fusion_weights(inputs)["level_0"]["a"] for inputs in (x, padded))
        assert next(shares) == pytest.approx(next(shares), rel=1e-5)


@pytest.mark.parametrize("method", ["gmu", "weighted_mean", "centralnet"])
def test_an_absent_sequence_has_no_steps(method):
    """Its placeholder counts nowhere: padded steps of the other stay padded."""
    keras.utils.set_random_seed(1)
    model = built(method, pair("steps"), missing_modalities=True)
    x, _, _ = data("steps")
    x["present"] = HERE
    spoiled = {**x, "b": np.where(HERE[:, 1:, None] > 0, x["b"], np.nan)}
    model.compile("sgd", "sparse_categorical_crossentropy", **QUICK)
    masks = model({name: ops.convert_to_tensor(v) for name, v in spoiled.items()})["central"]
    mask = to_numpy(masks._keras_mask)
    assert mask.sum(axis=1).tolist() == [3, 4, 5, 5]
    assert np.isfinite(outputs(model, spoiled)["central"]).all()


@pytest.mark.parametrize("n", [2, 3])
def test_gates_of_every_place(n):
    """The unit at each place is the unit on that place's vectors."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(2, 3, 4, k + 2)).astype("float32") for k in range(n)]
    here = np.array([[1] * n, [1] * (n - 1) + [0]])
    unit = kf.layers.GatedMultimodalUnit(5)
    found = to_numpy(unit(x, present=here))
    rows = [values.reshape(24, -1) for values in x]
    expected = to_numpy(unit.call(rows, np.repeat(here, 12, axis=0)))
    np.testing.assert_allclose(found.reshape(24, 5), expected, 1e-5, 1e-6)
    shares = to_numpy(unit.fusion_weights(x, here))
    expected = to_numpy(unit.fusion_weights(rows, np.repeat(here, 12, axis=0)))
    np.testing.assert_allclose(shares.reshape(24, n), expected, 1e-5, 1e-6)
    assert shares.shape == (2, 3, 4, n) and not shares[1, ..., -1].any()


def test_shares_of_every_step():
    model = built("gmu", pair("steps"))
    x, _, _ = data("steps")
    found = model.fusion_weights(x, per_sample=True)["level_0"]
    total = found["a"] + found["b"]
    counts = np.arange(STEPS) < np.array([3, 4, 5, 5])[:, None]
    np.testing.assert_allclose(total, counts, atol=1e-6)
    mean = model.fusion_weights(x)["level_0"]
    assert mean["a"] == pytest.approx(found["a"][counts].mean(), rel=1e-5)


@pytest.mark.parametrize(("kind", "method"), [("steps", "centralnet"), ("pixels", "gmu")])
def test_saved_and_loaded(kind, method, tmp_path):
    model = built(method, pair(kind), missing_modalities=True)
    x = {**data(kind)[0], "present": HERE}
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


ENDS = {
    "logits of places": (pair, {"end": None}, {"head": "softmax"}),
    "said to be logits": (pair, {"end": None}, {"num_classes": 3, "ends_in": "logits"}),
    "numbers": (pair, {"end": None}, {"units": 3, "ends_in": "logits"}),
    "several labels": (pair, {"end": "sigmoid"}, {}),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(name):
    kind = "steps" if name == "numbers" else "pixels"
    make, ends, arguments = ENDS[name]
    model = kf.build_late_fusion(make(kind, **ends), unimodal_loss_weights=1.0, **arguments)
    x, _, _ = data(kind)
    found = outputs(model, x)
    np.testing.assert_allclose(found["central"], (found["a"] + found["b"]) / 2, 1e-5, 1e-6)


def test_one_that_ends_in_features_gets_a_head_for_every_place():
    features = pixels(2, width=7, end="relu")
    model = built("centralnet", {"a": pixels(1), "b": features}, num_classes=CLASSES)
    assert model.output["b"].shape == (None, SIZE, SIZE, CLASSES)
    x = batch(model)
    logits = model.get_layer("b_logits")
    expected = ops.softmax(logits(features(x["b"])))
    np.testing.assert_allclose(outputs(model, x)["b"], to_numpy(expected), 1e-5, 1e-6)


def test_levels_of_other_sizes():
    """Features that were pooled are repeated to the places, larger ones averaged."""
    nets = pair("pixels")
    small = {"taps": {name: ["max_pooling2d"] for name in nets}}
    for name, net in nets.items():
        small["taps"][name] = [layer.name for layer in net.layers if "max_pool" in layer.name]
    for method in ("gmu", "centralnet"):
        with without_weights():
            model = built(method, nets, **small)
        assert model.output["central"].shape == (None, SIZE, SIZE, CLASSES)


def softmax_over(axis):
    inputs = keras.Input((SIZE, CLASSES))
    x = layers.Conv1D(CLASSES, 1, name="hidden")(inputs)
    return keras.Model(inputs, layers.Softmax(axis=axis)(x))


def reshaped():
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Reshape((4, 3))(layers.Dense(12, "softmax")(inputs)))


def test_a_softmax_over_another_axis_is_asked_about():
    for net in (softmax_over(1), reshaped()):
        assert not kf.fusion_points(net).per_place
        with pytest.raises(ValueError, match='"a": expected ends_in="probabilities", "logits"'):
            kf.build_late_fusion({"a": net, "b": net})
        assert kf.build_late_fusion({"a": net, "b": net}, ends_in="probabilities").output
    assert kf.fusion_points(softmax_over(2)).per_place


REFUSED = [
    ({"a": pixels(1), "b": vector_net()}, {}, 'same steps or places.*"a".*4x4.*"b" ends in 3'),
    ({"a": pixels(1), "b": pixels(1, factor=4)}, {}, 'places.*"b" ends in 8x8x3'),
    ({"a": pixels(1), "b": pixels(1, width=4)}, {}, '"b" predicts 4 through softmax'),
    (pair("steps"), {"balance": "ogm"}, 'balance: expected None or "blend".*step or place'),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_refused(case):
    nets, arguments, match = REFUSED[case]
    with pytest.raises(ValueError, match=match):
        built("centralnet", nets, **arguments)


@pytest.mark.parametrize("kind", ["steps", "pixels"])
def test_what_is_fed(kind):
    model = built("gmu", pair(kind))
    model.compile("sgd", "sparse_categorical_crossentropy", **QUICK)
    x, y, weights = data(kind)
    with pytest.raises(ValueError, match="class_weight: expected one class a sample, as in Keras"):
        model.fit(x, y, class_weight={0: 2.0}, verbose=0)
    with pytest.raises(ValueError, match=r"sample_weight: .*\(4, .*one a place.*shape: \(4, 2"):
        model.fit(x, y, sample_weight=weights[:, :2], verbose=0)
    with pytest.raises(ValueError, match=r"y: expected class indices \(samples, .*: \(4,\)"):
        model.fit(x, y.reshape(N, -1)[:, 0], verbose=0)
    with pytest.raises(ValueError, match="y: .*from 0 to 2 .*from 1 to 3"):
        model.fit(x, y + 1, verbose=0)


def test_features_stay_features():
    """Said so, a map of scores gives one label a sample, as it always did."""
    model = built("gmu", pair("pixels"), num_classes=4, ends_in="features")
    assert model.output["central"].shape == (None, 4)


def test_baselines_and_replicas():
    """The baselines that make one vector of a modality are left out; replicas train as `fit`."""
    builders = kf.evaluation.baselines(
        lambda: pair("steps"),
        compile={"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"},
        methods={"gmu": OWN["gmu"]},
    )
    assert list(builders) == ["a alone", "b alone", "late_mean", "weighted_mean", "gmu"]
    x, y, weights = data("steps")
    how = {"epochs": 1, "batch_size": 2, "sample_weight": weights, "verbose": 0}
    result = kf.training.fit_replicas(builders["gmu"], x, y, seeds=[0, 1], **how)
    assert result.history["loss"].size == 2
    found = result.replica(1).predict(x, verbose=0)["central"]
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="class_weight: expected (a model with )?one"):
        kf.training.fit_replicas(builders["gmu"], x, y, seeds=[0], epochs=1, class_weight={0: 2.0})


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow")
@pytest.mark.parametrize("kind", ["saved_model", "onnx", "litert"])
@pytest.mark.parametrize("method", ["centralnet", "gmu", "late_product"])
def test_exported(method, kind, tmp_path):
    """`export` holds what it wrote against Keras, the gates of every place too."""
    needs = {"onnx": ["onnx", "onnxruntime", "tf2onnx"], "litert": ["ai_edge_litert"]}
    for package in needs.get(kind, []):
        pytest.importorskip(package)
    made = pixels if kind == "litert" else steps
    model = built(method, {"a": made(1), "b": made(2)}, missing_modalities=True)
    path = tmp_path / ("model.tflite" if kind == "litert" else "1")
    assert kf.export(model, path, kind, verbose=False).max_difference < 1e-5
