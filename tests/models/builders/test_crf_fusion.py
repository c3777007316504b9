"""build_crf_fusion: its loss by hand in every kind of training, decoding, export."""

import keras
import numpy as np
import pytest
from helpers.tiny import outputs, reloaded, untrained_weights
from keras import layers

import keras_fusion as kf
from keras_fusion.losses import CRFLoss


def sequence_net(name, width, steps=5, masks=False):
    x = inputs = keras.Input((steps, width))
    if masks:
        x = layers.Masking()(x)
    x = layers.Dense(4, activation="tanh")(x)
    return keras.Model(inputs, x, name=name)


def nets(**options):
    return {"b": sequence_net("one", 2, **options), "a": sequence_net("two", 3, **options)}


def built(compiled=True, net=None, **arguments):
    model = kf.build_crf_fusion(nets(**(net or {})), per="step", num_classes=3, **arguments)
    rng = np.random.default_rng(0)
    crf = model.get_layer("central_head")
    crf.set_weights([rng.normal(size=w.shape) for w in crf.weights])
    if compiled:
        model.compile(keras.optimizers.SGD(0.1), CRFLoss(), metrics=["accuracy"])
    return model


def data(seed=1, samples=4):
    rng = np.random.default_rng(seed)
    x = {"a": rng.normal(size=(samples, 5, 3)), "b": rng.normal(size=(samples, 5, 2))}
    x = {name: values.astype("float32") for name, values in x.items()}
    return x, rng.integers(0, 3, (samples, 5))


def emissions_of(model, x):
    inner = keras.Model(model.input, model.get_layer("central_emissions").output)
    return keras.ops.convert_to_numpy(inner({**x}))


def array(x):
    return keras.ops.convert_to_numpy(x)


def test_loss_and_metrics_and_path_are_the_layers(tmp_path):
    model = built()
    (x, y), crf = data(), model.get_layer("central_head")
    e = emissions_of(model, x)
    p = array(crf(e))
    np.testing.assert_allclose(outputs(model, x)["central"], p, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0)["central"], p, atol=1e-5)
    np.testing.assert_array_equal(model.decode(x), array(crf.decode(e)))
    weight = np.array([1.0, 2.0, 0.5, 3.0], "float32")
    losses = -array(crf.log_likelihood(y, e))
    found = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert found["central_loss"] == pytest.approx(np.mean(weight * losses), rel=1e-4)
    assert found["central_accuracy"] == pytest.approx(np.mean(p.argmax(-1) == y))
    assert untrained_weights(model, x, y) == []
    again = reloaded(model, tmp_path)
    before = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    after = again.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert after == pytest.approx(before, rel=1e-5) and after < losses.mean()


@pytest.mark.parametrize("missing", [False, True])
def test_backbones_that_label_every_step(missing):
    """What they predict is left out, and says how many classes there are."""
    labellers = {
        name: keras.Model(net.input, layers.Dense(3, activation="softmax")(net.output))
        for name, net in nets(masks=True).items()
    }
    model = kf.build_crf_fusion(labellers, per="step", missing_modalities=missing)
    same = built(compiled=False, net={"masks": True}, missing_modalities=missing)
    assert [w.shape for w in model.weights] == [w.shape for w in same.weights]
    same.set_weights(model.get_weights())
    x, _ = data()
    if missing:
        x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")
    np.testing.assert_allclose(outputs(model, x)["central"], outputs(same, x)["central"], atol=1e-6)


def test_masked_steps_and_open_length():
    model = built(net={"steps": None, "masks": True})
    (x, y), crf = data(), model.get_layer("central_head")
    x["a"][1, 3:], x["b"][1, 2:] = 0, 0  # a step counts where either has it
    mask = np.ones((4, 5), bool)
    mask[1, 3:] = False
    e = emissions_of(model, x)
    losses = -array(crf.log_likelihood(y, e, mask))
    assert abs(losses[1] + array(crf.log_likelihood(y, e))[1]) > 0.1
    found = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(losses.mean(), rel=1e-4)
    np.testing.assert_array_equal(model.decode(x), array(crf.decode(e, mask)))
    short = {name: values[:, :3] for name, values in x.items()}
    np.testing.assert_allclose(
        outputs(model, short)["central"][1], outputs(model, x)["central"][1, :3], atol=1e-5
    )


def test_absent_modality():
    model = built(missing_modalities=True)
    x, y = data()
    x["a"][1] = np.nan
    x["present"] = np.array([[1, 1], [0, 1], [1, 1], [1, 1]], "float32")
    assert np.isfinite(model.train_on_batch(x, y)).all()
    assert model.decode(x).shape == (4, 5)


@pytest.mark.slow
def test_replicas_are_as_alone():
    x, y = data()
    many = kf.training.fit_replicas(lambda: built(), x, y, seeds=[1, 2], epochs=2, batch_size=2)
    one = kf.training.fit_replicas(lambda: built(), x, y, seeds=[2], epochs=2, batch_size=2)
    np.testing.assert_allclose(many.history["loss"][1], one.history["loss"][0], rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"unimodal_loss_weights": 1.0}])
def test_one_label_per_sequence(options, tmp_path):
    model = kf.build_crf_fusion(nets(), states=2, num_classes=3, **options)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    x, y = data()
    assert outputs(model, x)["central"].shape == (4, 3)
    assert untrained_weights(model, x, y[:, 0]) == []
    rng = np.random.default_rng(0)
    crf = next(layer for layer in model.layers if isinstance(layer, kf.layers.HiddenCRF))
    crf.set_weights([rng.normal(size=w.shape) for w in crf.weights])
    swapped = {name: values[:, ::-1] for name, values in x.items()}
    assert np.abs(outputs(model, x)["central"] - outputs(model, swapped)["central"]).max() > 1e-4


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: kf.build_crf_fusion(nets(), per="word", num_classes=3), "per: expected one of"),
        (
            lambda: built(unimodal_loss_weights=1.0),
            'unimodal_loss_weights: expected None with per="step". Received: 1.0',
        ),
        (lambda: built(balance="ogm"), 'balance: expected None with per="step"'),
        (lambda: built(head="sigmoid"), "one of two or more classes.*Received: 3 values through"),
        (
            lambda: kf.build_crf_fusion(
                {"a": sequence_net("x", 2), "b": sequence_net("y", 2, 6)}, num_classes=3
            ),
            "expected sequences of one number of steps",
        ),
        (
            lambda: kf.build_gmu(nets(), num_classes=3).compile("sgd", CRFLoss()),
            "loss: expected CRFLoss for heads that end in a CRF",
        ),
        (
            lambda: kf.build_gmu(nets(), num_classes=3).decode(data()[0]),
            "decode: expected a model whose central prediction is made by a CRF",
        ),
        (
            lambda: built().evaluate(*data(), sample_weight=np.ones((4, 5)), verbose=0),
            r"sample_weight: expected \(samples,\).*steps that do not count are masked",
        ),
        (lambda: CRFLoss()(np.zeros((2, 5)), np.zeros((2, 5, 3))), "CRFLoss: expected the compile"),
    ],
)
def test_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow")
def test_exported_path(tmp_path):
    import tensorflow as tf

    model = built(net={"steps": None, "masks": True})
    assert "decode" in kf.export(model, tmp_path / "1", verbose=False).signatures
    x, _ = data()
    served = tf.saved_model.load(tmp_path / "1").signatures["decode"]
    found = served(**{name: tf.constant(values) for name, values in x.items()})["central"]
    np.testing.assert_array_equal(found, model.decode(x))
