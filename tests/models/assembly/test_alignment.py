"""Tensors of all kinds and sizes that meet: shapes, gradients, reloading; the numbers by hand."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    reloaded,
    sequence_net,
    untrained_weights,
    vector_net,
    video_net,
    without_weights,
)
from keras import layers

from keras_fusion import build_centralnet, build_intermediate_fusion
from keras_fusion.models.assembly._alignment import align_tensors, pool_to

# Two backbones that meet, arguments, and the levels below the prediction.
MEETINGS = {
    "map and map": (lambda: (map_net(), map_net()), {}, ["8x8x1", "4x4x2", "2x2x3"]),
    "map and vector": (lambda: (map_net(), vector_net()), {}, ["4"]),
    "map and sequence": (lambda: (map_net(), sequence_net()), {}, ["2", "3"]),
    "map and video": (lambda: (map_net(), video_net()), {}, ["4x4x2", "2x2x3"]),
    "video and vector": (lambda: (video_net(), vector_net()), {}, ["4"]),
    "video and sequence": (lambda: (video_net(), sequence_net()), {}, ["4x2", "2x3"]),
    "video and longer video": (
        lambda: (video_net(filters=(2,)), video_net(length=6, filters=(2,))),
        {},
        ["4x4x4x2"],
    ),
    "sequence and vector": (lambda: (sequence_net(), vector_net()), {}, ["4"]),
    "sequence and longer sequence": (
        lambda: (sequence_net(), sequence_net(length=20)),
        {},
        ["4x2", "2x3"],
    ),
    "sequence and longer sequence, by time": (
        lambda: (sequence_net(), sequence_net(length=20)),
        {"align": "time"},
        ["4x2", "2x3"],
    ),
    "larger map, no whole factor": (
        lambda: (map_net(), map_net(size=12)),
        {},
        ["4x4x2", "2x2x3"],
    ),
    "wider, padded": (
        lambda: (map_net(), map_net(filters=(4, 3))),
        {"align": "pad"},
        ["8x8x1", "4x4x4", "2x2x3"],
    ),
    "wider, projected": (
        lambda: (vector_net(units=(4,)), vector_net(units=(6,))),
        {"align": "project"},
        ["5", "6"],
    ),
    "above max_width": (
        lambda: (vector_net(units=(4,)), vector_net(units=(9,), features=6)),
        {"max_width": 6},
        ["6"],
    ),
    "everything at once": (
        lambda: (map_net(), sequence_net(), vector_net(units=(3, 2))),
        {},
        ["3", "3"],
    ),
}


@pytest.mark.parametrize("case", MEETINGS)
def test_meeting(case, tmp_path):
    build, arguments, levels = MEETINGS[case]
    model = build_centralnet(list(build()), **arguments)
    assert list(model.fusion_levels.values()) == [*levels, "prediction"]
    x = batch(model)
    assert untrained_weights(model, x, labels()) == []
    loaded = reloaded(model, tmp_path)
    assert loaded.fusion_levels == model.fusion_levels
    assert_close(outputs(loaded, x), outputs(model, x))


def added(model, kinds):
    return [layer.name for layer in model.layers if type(layer).__name__ in kinds]


@pytest.mark.parametrize(
    ("align", "max_width", "padded", "projected"),
    [
        ("auto", 1024, ["a_pad_level_0"], []),
        ("auto", 6, ["a_pad_level_0"], ["b_project_level_0"]),
        ("auto", 3, [], ["a_project_level_0", "b_project_level_0"]),
        ("pad", 6, ["a_pad_level_0"], []),
        ("project", 1024, [], ["a_project_level_0"]),
        ("project", 6, [], ["a_project_level_0", "b_project_level_0"]),
    ],
)
def test_widths(align, max_width, padded, projected):
    backbones = {"a": vector_net(units=(4,)), "b": vector_net(units=(9,), features=6)}
    model = build_centralnet(backbones, align=align, max_width=max_width)
    assert added(model, ["PadFeatures"]) == padded
    assert [n for n in added(model, ["Dense"]) if "project" in n] == projected
    width = 9 if align == "pad" else min(9, max_width)
    assert model.fusion_levels["level_0"] == str(width)
    for name in projected:
        assert model.get_layer(name).units == width and not model.get_layer(name).use_bias


def aligned(*arrays, **arguments):
    """`align_tensors` on NumPy arrays, one modality each."""
    inputs = [keras.Input(array.shape[1:]) for array in arrays]
    names = [f"m{i}" for i in range(len(arrays))]
    # Keras 3.12 refuses an input that is an output too, as one that needs no alignment would be.
    tensors = [keras.layers.Identity()(tensor) for tensor in inputs]
    model = keras.Model(inputs, align_tensors(tensors, names, "level_0", **arguments))
    return [keras.ops.convert_to_numpy(tensor) for tensor in model(list(arrays))]


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def test_kinds_are_averaged():
    video, sequence, image, vector = (
        random(2, 4, 6, 6, 3),
        random(2, 4, 3),
        random(2, 6, 6, 3),
        random(2, 3),
    )
    cases = [
        ((video, image), (video.mean(axis=1), image)),
        ((video, sequence), (video.mean(axis=(2, 3)), sequence)),
        ((video, vector), (video.mean(axis=(1, 2, 3)), vector)),
        ((image, vector), (image.mean(axis=(1, 2)), vector)),
        ((sequence, vector), (sequence.mean(axis=1), vector)),
        ((image, sequence), (image.mean(axis=(1, 2)), sequence.mean(axis=1))),
    ]
    for given, expected in cases:
        for found, right in zip(aligned(*given), expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)


def test_sizes_are_pooled_and_widths_padded():
    small, large = random(2, 3, 4, 2), random(2, 6, 8, 5)
    found = aligned(small, large)
    np.testing.assert_allclose(found[0], np.pad(small, [(0, 0)] * 3 + [(0, 3)]), rtol=1e-6)
    mean = large.reshape(2, 3, 2, 4, 2, 5).mean(axis=(2, 4))
    np.testing.assert_allclose(found[1], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("size", range(1, 13))
def test_pooling_to_every_smaller_size(size, kind):
    """Exactly the size asked for, and no value is left out."""
    for target in range(1, size + 1):
        inputs = keras.Input((size, 2))
        pooled = pool_to(inputs, (target,), kind)
        assert pooled.shape == (None, target, 2), (size, target)
    for rank in (2, 3):
        inputs = keras.Input((*([size] * rank), 1))
        target = (max(1, size // 2), *([max(1, size - 1)] * (rank - 1)))
        assert tuple(pool_to(inputs, target, kind).shape[1:-1]) == target


@pytest.mark.parametrize(("size", "target"), [(7, 3), (9, 7), (10, 4), (5, 5)])
def test_pooling_looks_at_every_value(size, target):
    inputs = keras.Input((size, 1))
    model = keras.Model(inputs, pool_to(inputs, (target,), "max"))
    one_hot = np.eye(size, dtype="float32")[:, :, None]
    found = keras.ops.convert_to_numpy(model(one_hot))
    assert (found.max(axis=(1, 2)) == 1).all()


def pooled_by_hand(x, windows, kind):
    """`windows`: for every axis of size, the slices of it that are pooled."""
    reduce = np.max if kind == "max" else np.mean
    axes = tuple(range(1, x.ndim - 1))
    found = np.empty((len(x), *map(len, windows), x.shape[-1]))
    for index in np.ndindex(*map(len, windows)):
        box = tuple(axis[i] for axis, i in zip(windows, index, strict=True))
        found[(slice(None), *index)] = reduce(x[(slice(None), *box)], axis=axes)
    return found


# Sizes that do not divide. A stride rounded up, the rest of it split over both ends:
SAME = {
    (7, 4): [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7)],
    (10, 4): [slice(0, 2), slice(2, 5), slice(5, 8), slice(8, 10)],
    (5, 3): [slice(0, 2), slice(2, 4), slice(4, 5)],
}
# Where as many windows do not fit so: a stride rounded down, and windows that overlap.
OVERLAPPING = {
    (7, 5): [slice(i, i + 3) for i in range(5)],
    (10, 7): [slice(i, i + 4) for i in range(7)],
    (11, 5): [slice(i, i + 3) for i in (0, 2, 4, 6, 8)],
    (5, 3): [slice(i, i + 3) for i in range(3)],  # beside an axis that has to
}


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    "sizes",
    [
        *([size] for size in {**SAME, **OVERLAPPING}),
        [(7, 4), (10, 4)],
        [(7, 5), (10, 7)],
        [(7, 5), (5, 3)],  # one of them overlaps: then both do
        [(5, 3), (7, 4), (10, 4)],
        [(10, 7), (7, 5), (11, 5)],
    ],
    ids=str,
)
def test_values_where_sizes_do_not_divide(sizes, kind, request):
    """Sequences, maps and videos; what pads a window counts in neither kind."""
    x = random(2, *(size for size, _ in sizes), 3) - 2  # all below zero
    known = SAME if all(size in SAME for size in sizes) else OVERLAPPING
    if keras.backend.backend() == "torch" and kind == "average" and known is SAME and sizes[1:]:
        # Where one axis needs more padding behind than in front, Keras repeats the edge of every
        # axis before PyTorch averages: what pads counts.
        request.applymarker(pytest.mark.xfail(strict=True, reason="Keras 3.15 on PyTorch"))
    expected = pooled_by_hand(x, [known[size] for size in sizes], kind)
    found = pool_to(keras.ops.convert_to_tensor(x), tuple(target for _, target in sizes), kind)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-6)


def open_length(stride):
    """A network on sequences of any length."""
    return keras.Sequential(
        [
            keras.Input((None, 2)),
            layers.Conv1D(3, 3, strides=stride, padding="same", activation="tanh"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_sequences_of_any_length(tmp_path):
    model = build_centralnet({"a": open_length(1), "b": open_length(1)})
    assert list(model.fusion_levels.values()) == ["?x2", "?x3", "4", "prediction"]
    x = {name: random(4, 8, 2) for name in ("a", "b")}
    assert untrained_weights(model, x, labels()) == []
    longer = {name: random(2, 9, 2) for name in ("a", "b")}
    assert_close(outputs(reloaded(model, tmp_path), longer), outputs(model, longer))


@pytest.mark.parametrize(
    ("strides", "match"),
    [
        ((2, 2), r"level_0 of a: \(64,\).*level_1 of b: \(32,\).*taps="),
        ((1, 2), r"level_1 of a: \(64,\), level_1 of b: \(32,\)"),
    ],
)
def test_open_lengths_cannot_change(strides, match):
    nets = {name: open_length(stride) for name, stride in zip("ab", strides, strict=True)}
    with without_weights(), pytest.raises(ValueError, match=f"expected open sizes.*{match}"):
        build_centralnet(nets)


def test_shorter_masked_sequences_count_their_own_steps():
    """Where a sequence with a mask meets a vector, padding is not averaged in."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(10, 4, mask_zero=True, name="embedding")(inputs)
    x = layers.LSTM(4, return_sequences=True, name="states")(x)
    words = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.LSTM(3)(x)))
    taps = {"words": ["states"], "vector": ["dense0"]}
    model = build_centralnet({"words": words, "vector": vector_net()}, taps=taps)
    padded = np.array([[3, 4, 0, 0, 0, 0]])
    average = keras.Model(model.input, model.get_layer("words_average_level_0").output)
    states = keras.Model(inputs, x)
    found = average({"words": padded, "vector": random(1, 5)})
    expected = keras.ops.convert_to_numpy(states(padded))[:, :2].mean(axis=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-6)


def test_time():
    """Where pooling's windows lie far from the steps that they meet; sizes are pooled as ever."""
    times = [np.float32((np.arange(n)[None, :, None] + 0.5) * np.ones(2) / n) for n in (51, 100)]
    far = {}
    for align in ("auto", "time"):
        a, b = aligned(*times, align=align)
        far[align] = np.abs(a - b).max()
    assert far["time"] < 1e-3 and far["auto"] > 0.2
    nets = {"a": sequence_net(), "b": sequence_net(length=20)}
    for operation in ("concat", "sum"):
        model = build_intermediate_fusion(nets, operation=operation, level=0, align="time")
        names = [layer.name for layer in model.layers]
        assert "b_time_level_0" in names and "b_pool_level_0" not in names
    videos = [keras.Input((3, 8, 8, 2)), keras.Input((7, 4, 4, 2))]
    tensors = align_tensors(videos, ["a", "b"], "level_0", "time")
    assert [x.shape[1:] for x in tensors] == [(3, 4, 4, 2)] * 2
