"""What backbones end in: what their layers show, what `ends_in=` says, and what becomes of both."""

import keras
import numpy as np
import pytest
from helpers.tiny import BATCH, assert_close, batch, outputs, reloaded, vector_net, without_weights
from keras import layers, ops

import keras_fusion as kf

dense, to_numpy = layers.Dense, ops.convert_to_numpy


@keras.saving.register_keras_serializable(package="test_ends")
class Net(keras.Model):
    """A classifier whose graph Keras does not know, and with an attribute named as Keras' own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.outputs = dense(4, "tanh"), dense(3, "softmax")

    def call(self, x):
        return self.outputs(self.hidden(x))


@keras.saving.register_keras_serializable(package="test_ends")
class Soft(layers.Layer):
    def call(self, x):
        return ops.softmax(x)


def vectors(end):
    x = dense(4, activation="tanh", name="hidden")(inputs := keras.Input((5,)))
    return keras.Model(inputs, end(x))


def maps(end):
    x = layers.Conv2D(4, 3, activation="tanh", name="hidden")(inputs := keras.Input((4, 4, 1)))
    return keras.Model(inputs, end(x))


def averaged(layer):
    return lambda x: layers.GlobalAveragePooling2D()(layer(x))


def per_step(layer):
    return lambda x: layer(layers.Reshape((4, 1))(x))


P, L, F = ["probabilities"], ["logits"], ["features"]
ALL = P + L + F
ASKS = 'ends_in="probabilities", "logits"'
DENSE = "one prediction per sample.*GlobalAveragePooling.*ends_in="
# What follows a hidden layer; what is shown; as what three values are read alone, with
# `num_classes=3` and with `head="softmax"` (or what the error says); what `ends_in` it can be.
ENDS = {
    "operation": (vectors, lambda x: ops.softmax(dense(3)(x)), "softmax", P, P, P, P + F),
    "reshaped": (vectors, lambda x: layers.Reshape((3,))(dense(3, "softmax")(x)), "softmax", P, P,
                 P, P + F),
    "pooled": (maps, averaged(layers.Conv2D(3, 1, activation="softmax")), "softmax", P, P, P,
               P + F),
    "pooled logits": (maps, averaged(layers.Conv2D(3, 1)), "linear", "without activation", L, L,
                      L + F),
    "linear in float32": (vectors, lambda x: layers.Activation("linear", dtype="float32")(
        dense(3)(x)), "linear", "without activation", L, L, L + F),
    "log softmax": (vectors, dense(3, "log_softmax"), "linear", "without activation", L, L, L + F),
    "custom layer": (vectors, lambda x: Soft()(dense(3)(x)), "unknown", ASKS, ASKS, L, ALL),
    "activation of one's own": (vectors, dense(3, lambda x: ops.softmax(x)), "unknown", ASKS, ASKS,
                                L, ALL),
    "temperature": (vectors, lambda x: dense(3)(x) / 2, "unknown", ASKS, ASKS, L, ALL),
    "subclassed": (vectors, Net(), "unknown", ASKS, ASKS, L, ALL),
    "sparsemax": (vectors, dense(3, "sparsemax"), "unknown", ASKS, ASKS, L, ALL),
    "relu": (vectors, dense(3, "relu"), None, "ends in features", F, "ends in features", ALL),
    "recurrent": (vectors, per_step(layers.LSTM(3)), None, "ends in features", F,
                  "ends in features", ALL),
    "map": (maps, layers.Conv2D(3, 1, activation="softmax"), "softmax", DENSE, DENSE, DENSE, F),
    "map of logits": (maps, layers.Conv2D(3, 1), "linear", ASKS, ASKS, DENSE, F),
    "sequence": (vectors, per_step(layers.TimeDistributed(dense(3, "softmax"))), "softmax", DENSE,
                 DENSE, DENSE, F),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_end(case):
    kind, end, shown, alone, numbered, headed, possible = ENDS[case]
    net = kind(end)
    assert kf.fusion_points(net).head == shown
    nets = {"a": net, "b": net}
    for arguments, expected in (({}, alone), ({"num_classes": 3}, numbered),
                                ({"head": "softmax"}, headed)):  # fmt: skip
        if isinstance(expected, str):
            with pytest.raises(ValueError, match=f'"a".*{expected}'):
                kf.models.FusionBuilder(nets, **arguments)
        else:
            streams = kf.models.FusionBuilder(nets, **arguments).streams
            assert [s.ends_in for s in streams] == expected * 2
    x = np.random.default_rng(0).normal(size=(BATCH, *net.input.shape[1:]))
    own = to_numpy(net(x))
    for ends_in in ALL:
        asked = {"num_classes": 3} if ends_in == "features" else {}
        if ends_in not in possible:
            with pytest.raises(ValueError, match=f'expected another end|{DENSE}|"{ends_in}"'):
                kf.models.FusionBuilder(nets, ends_in=ends_in, **asked)
            continue
        parts = kf.models.FusionBuilder(nets, ends_in={"a": ends_in, "b": ends_in}, **asked)
        stream = parts.streams[0]
        assert stream.ends_in == ends_in and parts.head.activation == "softmax"
        if ends_in != "features":  # the prediction is no level, nor are logits before it
            assert [p.path for p in stream.points] == ["hidden"]
        predicted = to_numpy(keras.Model(stream.inputs, stream.prediction)(x))
        if ends_in != "features":
            expected = own if ends_in == "probabilities" else to_numpy(ops.softmax(own))
            np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


def test_another_number_of_values_is_no_prediction():
    nets = {"a": vectors(Net()), "b": vectors(lambda x: Soft()(dense(5)(x)))}
    parts = kf.models.FusionBuilder(nets, num_classes=4)
    assert [s.ends_in for s in parts.streams] == ["features", "features"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"ends_in": "softmax"}, r"ends_in: expected one of .*'logits'.*Received: 'softmax'"),
        ({"ends_in": {"c": "logits"}}, r"ends_in: .*modalities \['a', 'b'\]. Received: \['c'\]"),
        ({"ends_in": {"a": 3}}, r'ends_in\["a"\]: expected one of .*Received: 3'),
        ({"ends_in": "probabilities", "head": "linear"}, 'through linear.*"a" predicts 3 through'),
        ({"ends_in": "probabilities", "units": 3}, 'through linear.*"a" predicts 3 through'),
        ({"ends_in": "logits"}, 'ends_in: expected another end of backbone "b".*is softmax'),
        ({"ends_in": {"a": "logits"}, "num_classes": 4}, '4 values .*"a" predicts 3 through'),
        ({"ends_in": "features"}, "num_classes=.*Received: neither"),
        ({"ends_in": {"a": "probabilities"}, "head": "sigmoid"}, '"b" predicts 3 through softmax'),
    ],
)
def test_what_is_said_wrongly(arguments, match):
    nets = {"a": vectors(Net()), "b": vectors(dense(3, "softmax"))}
    with pytest.raises(ValueError, match=match):
        kf.build_late_fusion(nets, **arguments)


@pytest.mark.parametrize("method", [m.name for m in kf.methods() if m.name != "xflow"])
def test_every_method_takes_it(method):
    """Where levels meet they need layers that can be seen."""
    nets = {"a": vectors(Net()), "b": vectors(dense(3, "softmax"))}
    with without_weights():
        model = kf.build(method, nets, ends_in={"a": "probabilities"})
    assert sorted(model.input) == ["a", "b"]


def test_a_subclassed_classifier(tmp_path):
    """Its features are what it outputs: of what comes before nobody knows."""
    inputs = keras.Input((5,))
    nets = {"a": keras.Model(inputs, Net(name="net")(inputs)), "b": vector_net()}
    arguments = {"ends_in": {"a": "probabilities"}, "unimodal_loss_weights": 1.0}
    model = kf.build_gmu(nets, fusion_units=4, **arguments)
    told = []
    model.describe_fusion(lambda text: told.extend(text.split()))
    assert "net" in told and "dense0" in told
    assert [tensor.shape[-1] for tensor in model.get_layer("fusion_0").input] == [3, 4]
    model.summary(print_fn=lambda *args, **kwargs: None, expand_nested=True)
    x = batch(model)
    found = outputs(model, x)
    np.testing.assert_allclose(found["a"], to_numpy(nets["a"](x["a"])), rtol=1e-5, atol=1e-6)
    assert_close(outputs(reloaded(model, tmp_path), x), found)
    with pytest.raises(ValueError, match="whose graph Keras knows.*Received: a Net without one"):
        kf.fusion_points(Net())
