"""A fusion model as one modality of another: both hands first, then with the sound."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    compiled,
    labels,
    map_net,
    outputs,
    randomize,
    reloaded,
    untrained_weights,
    vector_net,
)

import keras_fusion as kf
from keras_fusion.graph import open_at
from keras_fusion.graph._reading import ancestors


def hands(method="centralnet", **arguments):
    left = map_net() if method == "xflow" else vector_net()
    return kf.build(method, {"left": left, "right": vector_net(features=6)}, **arguments)


def data(inner, outer_present=False):
    rng = np.random.default_rng(0)
    x = {
        name: rng.normal(size=(BATCH, *tensor.shape[1:])).astype("float32")
        for name, tensor in inner.input.items()
    }
    present = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], "float32")
    if "present" in x:
        x["present"] = present
    whole = {"hands": x, "sound": rng.normal(size=(BATCH, 7)).astype("float32")}
    return {**whole, "present": present[::-1]} if outer_present else whole


def nets(inner):
    return {"hands": inner, "sound": vector_net(features=7)}


@pytest.mark.parametrize("method", [m.name for m in kf.methods()])
def test_every_method_inside(method):
    inner = hands(method, missing_modalities=True)
    if method == "film":  # at first it is the left hand's network alone
        randomize(inner)
    points = kf.fusion_points(inner)
    assert points.head == "softmax" and points[-1].role == "prediction"
    modalities = {id(inner.input[name]) for name in inner.modalities}
    for point in points[1:]:
        made_of = ancestors(open_at(inner, [point.path]).outputs[0])
        assert modalities <= made_of, f"{point.path} is made of some of them only"
    model = kf.build_gmu(nets(inner), fusion_units=4, unimodal_loss_weights=1.0)
    x = data(inner)
    np.testing.assert_allclose(
        outputs(model, x)["hands"], outputs(inner, x["hands"])["central"], rtol=1e-5, atol=1e-6
    )
    changed = {**x, "hands": {**x["hands"], "right": x["hands"]["right"] + 1}}
    layer = model.get_layer("fusion_0")
    features = keras.Model(model.input, layer.input if isinstance(layer.input, list) else [])
    before, after = (keras.ops.convert_to_numpy(features(i)[0]) for i in (x, changed))
    assert np.abs(before - after).max() > 1e-6, "what meets the sound knows both hands"


@pytest.mark.parametrize("missing", [False, True])
def test_levels_training_and_files(missing, tmp_path):
    inner = hands(missing_modalities=missing)
    model = kf.build_centralnet(nets(inner), missing_modalities=missing)
    assert list(model.fusion_levels.values()) == ["4", "prediction"]
    x = data(inner, outer_present=missing)
    told = []
    model.describe_fusion(told.append)
    assert "fusion_0" in told[0] and sorted(model.fusion_weights()["level_0"]) == ["hands", "sound"]
    found = outputs(model, x)
    if missing:  # of the inner model the right hand, of the outer one the sound, is not there
        x["hands"]["right"][1], x["sound"][2] = np.nan, np.nan
        assert all(np.isfinite(p).all() for p in outputs(model, x).values())
        assert_close(outputs(model, x), found)
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), found)
    compiled(again, metrics=["accuracy"]).fit(x, labels(), batch_size=2, verbose=0)
    assert_close(again.predict(x, verbose=0), outputs(again, x))
    if not missing:
        assert untrained_weights(model, x, labels()) == []


def test_three_deep_is_refused():
    inner = kf.build_gmu({"hands": hands(), "face": vector_net(features=3)}, fusion_units=4)
    with pytest.raises(ValueError, match='"gmu": expected one input, or .*"hands" is dict itself'):
        kf.build_centralnet({"body": inner, "sound": vector_net(features=7)})


def test_decisions_alone_have_no_level():
    late = hands("late_mean")
    with pytest.raises(ValueError, match='"hands": expected at least one hidden layer'):
        kf.build_centralnet(nets(late))
    assert sorted(kf.build_late_fusion(nets(late)).output) == ["central", "hands", "sound"]
