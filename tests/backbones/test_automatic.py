"""The networks that are chosen by the data: which, on what, how they end, and what is refused."""

import keras
import numpy as np
import pytest
from helpers.tiny import compiled

import keras_fusion as kf
from keras_fusion.backbones import auto

RNG = np.random.default_rng(0)
LABELS = np.arange(12) % 3


def floats(*shape):
    return RNG.normal(3, 2, (12, *shape)).astype("float32")


TEXTS = np.array([f"it is {word} {i}" for i, word in enumerate(["red", "blue"] * 6)])


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        (floats(5), None, "vector: 5 -> Normalization, mlp(5, num_classes=3)"),
        (floats(), None, "table: it (number) -> Normalization, mlp(1, num_classes=3)"),
        (floats(8, 2), None, "sequence: 8x2 -> Normalization, gru((8, 2), num_classes=3)"),
        (floats(32, 2), None, "sequence: 32x2 -> Normalization, cnn_1d((32, 2), num_classes=3)"),
        (floats(8, 8), "image", "image: 8x8 -> Normalization, lenet5((8, 8, 1), num_classes=3)"),
        (np.ones((12, 8, 8), "uint8"), None, "lenet5((8, 8, 1), num_classes=3)"),
        (np.ones((12, 8, 8), "uint8"), "sequence", "gru((8, 8), num_classes=3)"),
        (floats(8, 9, 3), None, "image: 8x9x3 -> Normalization, lenet5((8, 9, 3), num_classes=3)"),
        (floats(32, 40, 1), None, "Normalization, audio_cnn((32, 40, 1), num_classes=3)"),
        (floats(2, 9, 1), None, "Normalization, mlp((2, 9, 1), num_classes=3)"),
        (np.arange(24).reshape(12, 2), "ids", "ids: 2 -> text_encoder(24, 2, num_classes=3)"),
        (TEXTS, None, "text: 16 words, the first 4 of each -> text_encoder(18, 4, num_classes=3)"),
        (list(TEXTS), None, "text: 16 words"),
        (["a", "b"] * 6, None, "table: it (2 categories) -> Normalization, mlp(2, num_classes=3)"),
        (
            {"a": floats(), "b": ["x", None] * 6},
            None,
            "table: a (number), b (1 categories) -> Norm",
        ),
    ],
    ids=lambda value: getattr(value, "shape", value) if not isinstance(value, dict) else "table",
)
def test_choice(values, kind, said, capsys):
    networks = auto({"it": values}, LABELS, kinds={"it": kind} if kind else None)
    assert said in capsys.readouterr().out
    found = networks["it"](networks.encoder({"it": values})["it"])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found).sum(axis=1), 1, rtol=1e-5)


def test_fused_and_saved(tmp_path):
    x = {"image": floats(8, 8, 1), "sensor": floats(6, 2), "review": TEXTS}
    networks = auto(x, LABELS, verbose=False)
    model = compiled(kf.build("late_mean", networks))
    encoded = networks.encoder(x)
    model.train_on_batch(encoded, LABELS)
    expected = model.predict(encoded, verbose=0)["central"]
    model.save(tmp_path / "model.keras")
    networks.encoder.save(tmp_path / "rows.json")
    encoder = kf.datasets.Encoder.load(tmp_path / "rows.json")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(encoder(x), verbose=0)["central"], expected)


def normalization(**x):
    layer = auto(x, LABELS, verbose=False)["it"].get_layer("normalization")
    return np.ravel(layer.input_mean).tolist(), np.ravel(layer.input_variance).tolist()


def test_normalization():
    values = np.stack([np.arange(5.0, 17), np.arange(12) % 2, np.full(12, 7.0)], axis=1)
    assert normalization(it=values) == ([10.5, 0, 7], [np.arange(12).var(), 1, 1])
    # Samples that lack the modality, or have NaN, do not count.
    values[3:] = 100
    values[2] = np.nan
    present = np.array([[1, 1]] * 3 + [[0, 1]] * 9)
    mean, _ = normalization(it=values, other=floats(2), present=present)
    assert mean == [5.5, 0, 7]


def test_data_set_of_the_catalogue(capsys):
    data = {"train": ({"a": floats(4), "b": floats(8, 8, 1)}, LABELS), "test": None}
    networks = auto(data)
    assert list(networks) == ["a", "b"] and "mlp(4, num_classes=3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("y", "units", "activation"),
    [
        (LABELS, 3, "softmax"),
        (LABELS[:, None].tolist(), 3, "softmax"),
        (LABELS > 0, 2, "softmax"),
        (np.zeros(12, int), 2, "softmax"),
        (np.eye(3)[LABELS], 3, "softmax"),
        (np.array([[0, 1, 1], [0, 0, 0]] * 6), 3, "sigmoid"),
        (floats(), 1, "linear"),
        (floats(2), 2, "linear"),
    ],
)
def test_ends(y, units, activation, capsys):
    network = auto({"it": floats(4)}, y)["it"]
    last = network.layers[-1].layers[-1]
    assert (last.units, last.activation.__name__) == (units, activation)
    assert (f"give units={units} to" in capsys.readouterr().out) == (activation == "linear")


def test_regression():
    networks = auto({"a": floats(4), "b": floats(3)}, floats(), verbose=False)
    model = kf.build_centralnet(networks, units=1)
    assert model.output["central"].shape == (None, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"x": floats(4)}, TypeError, "x: expected a dict.*Received: a ndarray"),
        ({"x": {}}, TypeError, "x: expected a dict.*Received: an empty one"),
        ({"x": {"it": floats(2, 8, 8, 3)}}, ValueError, r'x\["it"\]: .*float32 of \(12, 2, 8, 8'),
        ({"kinds": {"it": "sequence"}}, ValueError, r'x\["it"\]: .*\(12, 4\), as .sequence.'),
        ({"x": {"it": TEXTS[:, None]}}, ValueError, r'x\["it"\]: expected numbers.*<U'),
        ({"kinds": {"its": "image"}}, ValueError, "kinds: .*Received: {'its': 'image'}"),
        ({"kinds": "image"}, TypeError, "kinds: .*Received: 'image'"),
        ({"x": {"it": np.full((12, 2), np.nan)}}, ValueError, "x: expected finite numbers"),
        ({"y": None}, ValueError, "y: expected class indices.*Received: None"),
        ({"y": TEXTS}, ValueError, "y: .*np.unique.*Received: <U"),
        ({"y": LABELS - 1}, ValueError, "y: .*from -1 to 1"),
        ({"y": 1000 * LABELS}, ValueError, "y: .*floats. Received: .*from 0 to 2000"),
        ({"x": {"train": ({"it": floats(4)}, LABELS)}}, ValueError, "y: expected None, as x is"),
    ],
)
def test_errors(arguments, error, match):
    with pytest.raises(error, match=match):
        auto(**{"x": {"it": floats(4)}, "y": LABELS, "verbose": False, **arguments})


def test_samples_of_another_shape():
    encoder = auto({"it": floats(4)}, LABELS, verbose=False).encoder
    with pytest.raises(ValueError, match=r'rows\["it"\]: expected samples of \(4,\). .*\(5,\)'):
        encoder({"it": floats(5)})
