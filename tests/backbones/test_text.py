"""The text encoder and its vectorizer: empty texts, unknown words, the vocabulary in the file."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    compiled,
    labels,
    outputs,
    reloaded,
    untrained_weights,
    values,
    vector_net,
)

from keras_fusion import build_centralnet
from keras_fusion.backbones import text_encoder, text_vectorizer
from keras_fusion.graph import fusion_points

TEXTS = ["Soft, soft and warm!", "warm", "too small"]
IDS = np.array([[2, 4, 0, 0], [0, 0, 0, 0], [3, 0, 2, 2], [1, 1, 1, 1]])


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_sizes():
    model = text_encoder(10, 4, 5, (6, 7), num_classes=3, dropout=0.25)
    assert [p.shape for p in fusion_points(model)] == [(4,), (4, 5), (6,), (7,), (3,)]
    assert model.count_params() == 10 * 5 + 5 * 6 + 4 * 6 + 6 * 7 + 4 * 7 + 8 * 3
    assert model.input.dtype == "int32" and model.name == "text_encoder"
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.25, 0.25]
    assert text_encoder(10, hidden_units=(), num_classes=None).output_shape == (None, 64)


def test_mean_of_the_words():
    model = text_encoder(5, None, 3, (), None)
    table = numpy(model.get_layer("embedding").embeddings)
    expected = [table[ids[ids > 0]].mean(axis=0) if ids.any() else np.zeros(3) for ids in IDS]
    np.testing.assert_allclose(numpy(model(IDS)), expected, rtol=1e-5, atol=1e-7)


def test_empty_texts_train():
    model = text_encoder(5, 4, 3, (4,), 3, dropout=0)
    table = model.get_layer("embedding").embeddings
    padding = numpy(table)[0].copy()
    empty = np.zeros_like(IDS)
    compiled(model, "sgd").train_on_batch(empty, labels())
    model.train_on_batch(IDS, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())
    np.testing.assert_array_equal(numpy(table)[0], padding)


def test_fused_with_a_missing_text():
    nets = {"text": text_encoder(5, 4, 3, (4,), 3), "vector": vector_net(units=(4,))}
    model = build_centralnet(nets, missing_modalities=True, dropout=0)
    x = {
        "text": IDS,
        "vector": np.random.default_rng(0).normal(size=(4, 5)).astype("float32"),
        "present": np.array([[1, 1], [0, 1], [0, 1], [1, 0]], "float32"),
    }
    x["vector"][3] = np.nan
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    still = untrained_weights(model, x, labels())
    assert still == []
    assert all(np.isfinite(value).all() for value in values(model).values())


class TestVectorizer:
    @pytest.fixture(autouse=True)
    def needs_tensorflow(self):
        pytest.importorskip("tensorflow")

    def test_ids(self):
        vectorizer = text_vectorizer(TEXTS, length=3)
        words = [str(word) for word in vectorizer.get_vocabulary()]
        assert words[:2] == ["", "[UNK]"] and sorted(words[2:4]) == ["soft", "warm"]
        assert sorted(words[4:]) == ["and", "small", "too"] and vectorizer.vocabulary_size() == 7
        ids = numpy(vectorizer(np.array(["WARM shoes, soft and", ""])))
        assert ids.tolist() == [[words.index("warm"), 1, words.index("soft")], [0, 0, 0]]

    def test_size_and_length(self):
        vectorizer = text_vectorizer(np.array(TEXTS), max_tokens=4)
        assert vectorizer.vocabulary_size() == 4
        ids = numpy(vectorizer(TEXTS))
        assert ids.shape == (3, 4) and ids.max() == 3 and (ids[2, :2] == 1).all()

    @pytest.mark.parametrize("length", [None, 3])
    def test_ids_go_into_the_encoder(self, length):
        vectorizer = text_vectorizer(TEXTS, length=length)
        model = text_encoder(vectorizer.vocabulary_size(), length, 4, (4,), 3)
        found = numpy(model(numpy(vectorizer([*TEXTS, "", "no known word"]))))
        assert found.shape == (5, 3) and np.isfinite(found).all()

    @pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strings in a model")
    def test_saved_with_its_vocabulary(self, tmp_path):
        vectorizer = text_vectorizer(TEXTS, length=3)
        encoder = text_encoder(vectorizer.vocabulary_size(), 3, 4, (4,), 3)
        strings = keras.Input((), dtype="string", name="text")
        model = keras.Sequential([strings, vectorizer, encoder])
        texts = np.array(["warm and soft", "", "odd"], dtype=object)
        expected = model.predict_on_batch(texts)
        again = reloaded(model, tmp_path)
        np.testing.assert_array_equal(again.predict_on_batch(texts), expected)
        kept = again.get_layer("text_vectorizer").get_vocabulary()
        assert list(map(str, kept)) == list(map(str, vectorizer.get_vocabulary()))
        again.compile("sgd", loss="sparse_categorical_crossentropy")
        again.train_on_batch(texts, np.array([0, 1, 2]))

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            (([],), "texts: expected one or more strings. Received: none"),
            (([3, "a"],), r"texts: .*Received: \['int', 'str'\]"),
            ((TEXTS, 2), "max_tokens: .*Received: 2"),
            ((TEXTS, 9, 0), "length: .*Received: 0"),
        ],
    )
    def test_bad_arguments(self, arguments, match):
        with pytest.raises(ValueError, match=match):
            text_vectorizer(*arguments)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: text_encoder(1), ValueError, "vocabulary_size: .*Received: 1"),
        (lambda: text_encoder(9, 0), ValueError, "length: .*Received: 0"),
        (lambda: text_encoder(9, 4, 0), ValueError, "embedding_units: .*Received: 0"),
        (lambda: text_encoder(9, hidden_units=4), TypeError, "hidden_units: .*Received: 4"),
        (lambda: text_encoder(9, hidden_units=(0,)), ValueError, r"hidden_units\[0\]: .*0"),
        (lambda: text_encoder(9, num_classes=0), ValueError, "num_classes: .*Received: 0"),
        (lambda: text_encoder(9, dropout=1), ValueError, "dropout: .*Received: 1"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
