"""What describe_fusion says: which tensors meet where, and what was done to them on the way."""

import keras
import pytest
from helpers.tiny import map_net, sequence_net, text_net, vector_net, video_net

import keras_fusion as kf
from keras_fusion.models.fusion_model._summary import fusions_of


def rows(model):
    """`{layer: [(source, tensor, shape, steps, shape as it meets)]}`."""
    return {
        m.layer: [(s.name, s.tensor, s.shape, s.steps, s.aligned) for s in m.sources]
        for m in fusions_of(model)
    }


CELL = ("conv", "batch normalization", "relu", "max pooling")


@pytest.mark.parametrize("missing", [False, True])
def test_every_level_of_a_centralnet(missing):
    nets = {"image": map_net(), "clip": video_net(filters=(2, 4))}
    model = kf.build_centralnet(nets, missing_modalities=missing)
    logits = ("logits of probabilities",)
    assert rows(model) == {
        "fusion_0": [
            ("image", "pool0", (4, 4, 2), (), (4, 4, 2)),
            ("clip", "pool0", (4, 4, 4, 2), ("mean over time",), (4, 4, 2)),
        ],
        "fusion_1": [
            ("image", "pool1", (2, 2, 3), ("zero-padding",), (2, 2, 4)),
            ("clip", "pool1", (4, 2, 2, 4), ("mean over time",), (2, 2, 4)),
            ("central", "fusion_0", (4, 4, 2), CELL, (2, 2, 4)),
        ],
        "fusion_2": [
            ("image", "prediction", (3,), logits, (3,)),
            ("clip", "prediction", (3,), logits, (3,)),
            ("central", "fusion_1", (2, 2, 4), ("flatten", "projection"), (3,)),
        ],
    }


@pytest.mark.parametrize(
    ("build", "arguments", "level", "steps"),
    [
        (lambda: (map_net(), vector_net()), {}, 0, [("mean over space", "zero-padding"), ()]),
        (lambda: (sequence_net(), vector_net(units=(3,))), {}, 0, [("mean over time",), ()]),
        (
            lambda: (video_net(), vector_net(units=(3,))),
            {},
            0,
            [("mean over time and space",), ()],
        ),
        (
            lambda: (video_net(), sequence_net()),
            {},
            1,
            [("mean over space", "average pooling"), ()],
        ),
        (
            lambda: (sequence_net(), sequence_net(length=20)),
            {},
            0,
            [(), ("average pooling",)],
        ),
        (
            lambda: (vector_net(units=(4,)), vector_net(units=(6,))),
            {"align": "project"},
            1,
            [("projection",), ()],
        ),
    ],
)
def test_alignments(build, arguments, level, steps):
    found = fusions_of(kf.build_centralnet(list(build()), **arguments))[level]
    assert [source.steps for source in found.sources if source.name != "central"] == steps
    assert len({source.aligned for source in found.sources}) == 1


def test_paths_lead_into_nested_networks():
    inner = map_net(name="inner", classes=None)
    outer = keras.Sequential([keras.Input((8, 8, 1)), inner], name="outer")
    nets = {"image": outer, "other": map_net(), "text": text_net()}
    model = kf.build_centralnet(nets, num_classes=3)
    tensors = [source.tensor for source in fusions_of(model)[0].sources]
    assert tensors == ["inner/pool1", "pool1", "hidden"]


@pytest.mark.parametrize("method", [method.name for method in kf.methods()])
def test_every_method_is_described(method):
    image_and_vector = {"image": map_net(), "sound": vector_net(units=(4, 4))}
    model = kf.build(method, image_and_vector, missing_modalities=True)
    found = fusions_of(model)
    assert found
    named = {source.name for fusion in found for source in fusion.sources}
    assert named - {"central"} == {"image", "sound"}
    layers = {layer.name for layer in model.layers}
    assert {fusion.layer for fusion in found} <= layers


def test_moddrop_mixes_nothing():
    model = kf.build_moddrop({"image": map_net(), "sound": vector_net()})
    (fusion,) = fusions_of(model)
    assert [source.steps[-1] for source in fusion.sources] == ["ModDrop", "ModDrop"]


def test_printed(capsys, tmp_path):
    model = kf.build_gmu({"image": map_net(), "sound": vector_net(units=(3,))}, fusion_units=4)
    model.describe_fusion()
    expected = [
        "fusion_0 (GatedMultimodalUnit), 4",
        "  source  tensor  shape  aligned by       meets as",
        "  image   pool1   2x2x3  mean over space  3",
        "  sound   dense0  3      -                3",
    ]
    assert capsys.readouterr().out.splitlines() == expected
    model.save(tmp_path / "model.keras")
    said = []
    keras.models.load_model(tmp_path / "model.keras").describe_fusion(said.append)
    assert said == ["\n".join(expected)]
