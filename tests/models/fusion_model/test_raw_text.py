"""Strings as inputs: TextVectorization, StringLookup and FeatureSpace inside a backbone.

Each kind of array gives the numbers of a plain Keras model of the same graph that gets what Keras
itself takes, tensors of strings; or an error of ours.
"""

import keras
import numpy as np
import pytest
from keras import layers

import keras_fusion as kf
from keras_fusion.models import FusionModel

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has strings"
)
WORDS = ["soft", "warm", "hat", "grün"]
TEXTS = ["soft warm hat", "a red hat", "grün", "warm", "nothing known", ""]
NUMBERS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])
LOSS = "sparse_categorical_crossentropy"
NAN = float("nan")


def vectorized(mask_zero=False):
    text = keras.Input((), dtype="string")
    x = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=4)(text)
    x = layers.Embedding(6, 4, mask_zero=mask_zero)(x)
    x = layers.Dense(5, activation="relu")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(text, layers.Dense(3, activation="softmax")(x))


def looked_up(**arguments):
    text = keras.Input((1,), dtype="string")
    x = layers.StringLookup(vocabulary=TEXTS[:3], output_mode="multi_hot", **arguments)(text)
    return keras.Model(text, layers.Dense(3, activation="softmax")(x))


def columns():
    import tensorflow as tf

    kinds = {"word": "string_categorical", "number": "float_normalized"}
    space = keras.utils.FeatureSpace(kinds, output_mode="concat")
    rows = {"word": np.array(TEXTS[:5]), "number": NUMBERS[:5, 0]}  # files of words lose ""
    space.adapt(tf.data.Dataset.from_tensor_slices(rows))
    x = space.get_encoded_features()
    return keras.Model(space.get_inputs(), layers.Dense(3, activation="softmax")(x))


NETS = {"vectorized": vectorized, "looked_up": looked_up, "columns": columns}


def build(net, **arguments):
    vector = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(3)])
    nets = {"text": NETS[net](), "vector": vector}
    model = kf.build_gmu(nets, fusion_units=4, num_classes=3, **arguments)
    model.compile(keras.optimizers.SGD(0.1), LOSS, metrics=["accuracy"])
    return model


def inputs(net, texts):
    text = {"word": texts, "number": NUMBERS[:, 0]} if net == "columns" else texts
    return {"text": text, "vector": NUMBERS}


def tensor(texts=TEXTS):
    return keras.ops.convert_to_tensor(texts, dtype="string")


def plain_model(model):
    plain = keras.Model(model.input, model.output)
    plain.compile(keras.optimizers.SGD(0.1), {"central": LOSS})
    return plain


KINDS = {
    "<U": lambda pd: np.array(TEXTS),
    "<U, (n, 1)": lambda pd: np.array(TEXTS)[:, None],
    "S": lambda pd: np.char.encode(np.array(TEXTS), "utf-8"),
    "objects": lambda pd: np.array(TEXTS, object),
    "bytes and str": lambda pd: np.array([TEXTS[0].encode(), *TEXTS[1:]], object),
    "pandas objects": lambda pd: pd.Series(TEXTS, index=range(9, 15), dtype=object),
    "pandas strings": lambda pd: pd.Series(TEXTS, dtype="string"),
    "pandas categories": lambda pd: pd.Series(TEXTS, dtype="category"),
    "a column of pandas": lambda pd: pd.DataFrame({"text": TEXTS}),
    "tensor": lambda pd: tensor(),
    "list": lambda pd: TEXTS,
}
TWO_AXES = ("<U, (n, 1)", "a column of pandas")


@on_tensorflow
@pytest.mark.parametrize("net", ["vectorized", "columns"])
def test_every_kind_of_array(net):
    pd = pytest.importorskip("pandas")
    model = build(net)
    x = inputs(net, tensor())
    expected = plain_model(model).predict(x, verbose=0)["central"]
    loss = model.evaluate(x, LABELS, verbose=0)
    for kind, make in KINDS.items():
        x = inputs(net, make(pd))
        if kind not in ("tensor", "list"):  # Keras takes no tensor beside arrays, and no lists
            np.testing.assert_allclose(model(x)["central"], expected, 1e-5)
        if kind in TWO_AXES:  # compiled functions forget the shape of what changes its axes
            continue
        np.testing.assert_allclose(model.predict(x, verbose=0)["central"], expected, 1e-5)
        np.testing.assert_allclose(model.evaluate(x, LABELS, verbose=0), loss, 1e-5)
        for batches in (kf.datasets.as_dataset, kf.datasets.as_pydataset):
            found = model.evaluate(batches((x, LABELS), 6, shuffle=False), verbose=0)
            np.testing.assert_allclose(found, loss, 1e-5, err_msg=kind)
    x = inputs(net, np.array(TEXTS))
    found = model.evaluate(kf.datasets.BalancedBatches((x, LABELS)), verbose=0)
    np.testing.assert_allclose(found, loss, 1e-5)  # the same samples in another order
    shares = model.fusion_weights(inputs(net, np.array(TEXTS)), per_sample=True)["level_0"]
    assert shares["text"].shape[0] == 6 and np.ptp(shares["text"]) > 0


FEEDS = {
    "split": lambda x: {"x": x, "y": LABELS, "batch_size": 2, "validation_split": 0.34},
    "as_dataset": lambda x: {"x": kf.datasets.as_dataset((x, LABELS), 2, shuffle=False)},
    "as_pydataset": lambda x: {"x": kf.datasets.as_pydataset((x, LABELS), 2, shuffle=False)},
}


@on_tensorflow
@pytest.mark.parametrize(
    ("net", "feed"),
    [("vectorized", "split"), ("looked_up", "as_dataset"), ("columns", "as_pydataset")],
)
def test_trains_as_a_plain_model(net, feed):
    model = build(net)
    plain = plain_model(build(net))
    plain.set_weights(model.get_weights())
    texts = np.array(TEXTS)[:, None] if net == "looked_up" else np.array(TEXTS)
    given = FEEDS[feed](inputs(net, texts))
    found = model.fit(**given, shuffle=False, verbose=0).history
    given = FEEDS["split"](inputs(net, tensor()))
    if feed != "split":
        given.pop("validation_split")
    expected = plain.fit(**given, shuffle=False, verbose=0).history
    np.testing.assert_allclose(found["loss"], expected["loss"], 1e-5)
    assert ("val_loss" in found) == ("val_loss" in expected) == (feed == "split")
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-6)


PRESENT = np.array([[1, 1], [0, 1], [1, 1], [1, 0], [0, 1], [1, 1]])


@on_tensorflow
@pytest.mark.parametrize(("mask_zero", "word"), [(False, b""), (True, b"[UNK]")])
def test_absent_text_does_not_matter(mask_zero, word, monkeypatch):
    monkeypatch.setitem(NETS, "vectorized", lambda: vectorized(mask_zero))
    model = build("vectorized", missing_modalities=True, unimodal_loss_weights=1.0)
    seen = keras.Model(model.input, model.get_layer("text_mask").output)
    found = []
    for missing in (None, NAN, "odd", b"odd"):
        texts = np.array(["soft", missing, "warm", "hat", missing, "grün"], object)
        x = {**inputs("vectorized", texts), "present": PRESENT}
        found.append(model.predict(x, verbose=0))
        np.testing.assert_equal(found[-1], found[0])
    x = {**x, "text": tensor([*texts[:1], "odd", *texts[2:4], "odd", *texts[5:]])}
    kept = np.array(seen.predict(x, verbose=0))
    assert kept.tolist() == [b"soft", word, b"warm", b"hat", word, "grün".encode()]
    history = model.fit(x, LABELS, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


@on_tensorflow
def test_scores_of_subsets():
    pd = pytest.importorskip("pandas")
    model = build("vectorized", missing_modalities=True)
    texts = pd.Series(["soft", None, "", "hat", None, "grün"])
    x = {**inputs("vectorized", texts), "present": PRESENT}
    scores = kf.evaluation.modality_subsets(model, x, LABELS)
    assert [scores[key]["samples"] for key in scores] == [4, 5, 3]
    assert np.isfinite([scores[key]["loss"] for key in scores]).all()


@on_tensorflow
@pytest.mark.parametrize(
    ("net", "arguments"),
    [
        ("vectorized", {"missing_modalities": True, "unimodal_loss_weights": 1.0}),
        ("columns", {}),
    ],
)
def test_saved_and_exported(tmp_path, net, arguments):
    import tensorflow as tf

    model = build(net, **arguments)
    x = inputs(net, np.array(TEXTS))
    expected = model.predict(x, verbose=0)["central"]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0)["central"], expected, 1e-6)
    report = kf.export(model, tmp_path / "served", samples=x, verbose=False)
    assert ("text_only" in report.signatures) == bool(arguments)
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    given = {"text": tensor()}
    if net == "columns":
        numbers = tf.constant(NUMBERS[:, :1])
        given = {"text_word": tensor()[:, None], "text_number": numbers}
    found = served(**given, vector=tf.constant(NUMBERS))["central"]
    np.testing.assert_allclose(found, expected, 1e-5)


@on_tensorflow
@pytest.mark.parametrize("net", [vectorized, looked_up, lambda: looked_up(num_oov_indices=0)])
def test_random_texts_of_an_export(net):
    from keras_fusion.exporting._verification import samples_for

    nets = {"text": net(), "vector": vectorized()}
    model = kf.build_gmu(nets, fusion_units=4)
    samples = samples_for(model, count=20)
    assert {array.dtype for array in samples.values()} == {np.dtype(object)}
    assert len(np.unique(model.predict(samples, verbose=0)["central"][:, 0].round(6))) > 2


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return inputs("vectorized", np.array(TEXTS)), LABELS


def fit(texts=TEXTS, net="vectorized", **arguments):
    model = build(net, **arguments)
    model.fit(inputs(net, texts), LABELS, verbose=0)


def datasets(function, texts):
    return function((inputs("vectorized", texts), LABELS), 2)


OBJECTS = np.array([*TEXTS[:4], None, 3.5], object)
WRONG = {
    "numbers": (
        lambda path: fit(NUMBERS[:, 0]),
        r'x\["text"\]: expected an array of strings.*ndarr',
    ),
    "tensor of numbers": (
        lambda path: fit(keras.ops.convert_to_tensor(NUMBERS[:, 0])),
        r'x\["text"\]: expected strings. Received: a tensor of .*float32',
    ),
    "one string": (
        lambda path: fit("soft"),
        r'x\["text"\]: expected an array of strings.*shape \(\)',
    ),
    "none": (
        lambda path: fit(OBJECTS),
        "missing_modalities=True.*Received: None in sample 4, 2 of 6",
    ),
    "none of columns": (
        lambda path: fit(OBJECTS, "columns"),
        r'x\["text"\]\["word"\]: expected strings.*Received: None in sample 4',
    ),
    "none of a text that is there": (
        lambda path: fit(OBJECTS, missing_modalities=True),
        "expected strings.*Received: None in sample 4, 2 of 6",
    ),
    "none in a tf.data": (
        lambda path: datasets(kf.datasets.as_dataset, OBJECTS),
        "split: expected arrays of numbers or of strings.*Received: None",
    ),
    "none in a PyDataset": (
        lambda path: datasets(kf.datasets.as_pydataset, OBJECTS),
        "split: expected arrays of numbers or of strings.*Received: None",
    ),
    "PyDataset": (
        lambda path: build("vectorized").fit(Batches(), verbose=0),
        "x: expected batches whose text is tensors.*as_pydataset.*Received: batches of str",
    ),
    "words unknown to a lookup": (
        lambda path: kf.build_gmu([looked_up(num_oov_indices=0)] * 2, missing_modalities=True),
        "expected layers that take unknown words.*Received: .* with num_oov_indices=0",
    ),
    "mean of texts": (
        lambda path: build("vectorized", missing_modalities="mean"),
        'missing_modalities: expected "zero" for "text", whose input is strings.*Received: .mean',
    ),
    "no hidden layer": (
        lambda path: kf.build_centralnet([looked_up()] * 2),
        "expected at least one hidden layer",
    ),
    "onnx": (
        lambda path: kf.export(build("columns"), path / "model.onnx"),
        r"for a model that reads text, \['text_word'\].*Received: 'onnx'",
    ),
    "litert": (
        lambda path: kf.export(build("vectorized"), path / "model.tflite"),
        r"for a model that reads text, \['text'\].*Received: 'litert'",
    ),
    "fill": (
        lambda path: kf.datasets.drop_modalities(
            inputs("vectorized", np.array(TEXTS)), pattern="text", fill=0
        ),
        'fill: expected None, as "text" is strings. Received: 0',
    ),
}


@on_tensorflow
@pytest.mark.parametrize("case", WRONG)
def test_errors(tmp_path, case):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call(tmp_path)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it has strings")
def test_other_backends_say_no():
    text, vector = keras.Input((1,), dtype="string", name="text"), keras.Input((4,), name="vector")
    given = {"text": text, "vector": vector}
    with pytest.raises(ValueError, match="inputs: expected numbers.*Received: strings on"):
        FusionModel(given, {"central": layers.Dense(3)(vector)}, unimodal_loss_weights=None)
