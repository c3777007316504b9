"""Where fusion points are found: networks of many kinds, each with the table that is expected."""

import keras
import numpy as np
import pytest
from helpers.point_networks import (
    blocks,
    crossed,
    declared,
    lenet,
    logits_of_a_convolution,
    masked_text,
    nested,
    nested_twice,
    normalized_input,
    padded,
    recurrent,
    residual,
    separate_activation,
    sequential,
    text,
    transformer,
    two_outputs,
    vgg_like,
    waves,
)
from helpers.tiny import map_net, vector_net, without_weights
from keras import Sequential, layers

from keras_fusion.graph import FusionPoint, fusion_points
from keras_fusion.graph.points import point_at, shape_name


@pytest.fixture(autouse=True)
def graphs_only():
    with without_weights():
        yield


STAGE, PREDICTION = "stage", "prediction"
# Of each network: its head, and the points without the input, as (path, shape, role).
TABLE = [
    (
        lenet,
        "softmax",
        [
            ("conv1_pool", (14, 14, 32), STAGE),
            ("conv2_pool", (7, 7, 64), STAGE),
            ("dense_dropout", (1024,), STAGE),
            ("prediction", (10,), PREDICTION),
        ],
    ),
    (
        vgg_like,
        None,
        [("block1_pool", (8, 8, 2), STAGE), ("block2_pool", (4, 4, 3), "features")],
    ),
    (
        sequential,
        "softmax",
        [
            ("first_relu", (6, 6, 2), STAGE),
            ("second", (3, 3, 4), STAGE),
            ("hidden_relu", (5,), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        nested,
        "softmax",
        [
            ("vgg/block1_pool", (8, 8, 2), STAGE),
            ("vgg/block2_pool", (4, 4, 3), STAGE),
            ("hidden", (6,), STAGE),
            ("out", (3,), PREDICTION),
        ],
    ),
    (
        nested_twice,
        "sigmoid",
        [
            ("inner/vgg/block1_pool", (8, 8, 2), STAGE),
            ("inner/vgg/block2_pool", (4, 4, 3), STAGE),
            ("out", (1,), PREDICTION),
        ],
    ),
    *(
        (
            separate_activation(last),
            head,
            [("hidden_relu", (4,), STAGE), (name, (3,), PREDICTION)],
        )
        for last, head, name in [
            (layers.Softmax(name="soft"), "softmax", "soft"),
            (layers.Activation("softmax", name="act"), "softmax", "act"),
            (layers.Activation("sigmoid", name="sig"), "sigmoid", "sig"),
        ]
    ),
    (
        separate_activation(layers.ReLU(name="relu")),
        None,
        [("hidden_relu", (4,), STAGE), ("relu", (3,), "features")],
    ),
    (
        separate_activation(layers.Dense(2, name="line")),
        "linear",
        [("hidden_relu", (4,), STAGE), ("logits", (3,), STAGE), ("line", (2,), "features")],
    ),
    (
        residual,
        "softmax",
        [
            ("add0", (8, 8, 2), STAGE),
            ("add1", (4, 4, 4), STAGE),
            ("out", (3,), PREDICTION),
        ],
    ),
    (
        recurrent,
        "softmax",
        [
            ("lower", (9, 5), STAGE),
            ("upper", (6,), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        waves,
        "softmax",
        [
            ("pool1", (8, 3), STAGE),
            ("conv2", (4, 4), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        text,
        "softmax",
        [
            ("embedding", (8, 4), STAGE),
            ("hidden", (3,), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        padded,
        "softmax",
        [
            ("valid", (7, 7, 2), STAGE),
            ("strided", (4, 4, 3), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        normalized_input,
        "sigmoid",
        [("norm", (3,), STAGE), ("out", (2,), PREDICTION)],
    ),
    (
        masked_text,
        "softmax",
        [("embedding", (8, 4), STAGE), ("recurrent", (8, 5), STAGE), ("out", (2,), PREDICTION)],
    ),
    *(
        (
            lambda structure=structure: transformer(structure),
            "softmax",
            [
                ("block0_norm1", (8, 4), STAGE),
                ("block1_norm1", (8, 4), STAGE),
                ("kept", (8, 4), STAGE),
                ("out", (3,), PREDICTION),
            ],
        )
        for structure in (dict, list)
    ),
    (
        blocks,
        "softmax",
        [("block0", (6, 4), STAGE), ("block1", (6, 4), STAGE), ("out", (2,), PREDICTION)],
    ),
    (two_outputs, None, [("words", (6, 3), STAGE), ("pooled", (2,), "features")]),
    (
        logits_of_a_convolution,
        "softmax",
        [("conv", (4, 4, 2), STAGE), ("hidden", (1, 1, 5), STAGE), ("soft", (3,), PREDICTION)],
    ),
    (
        crossed,
        "softmax",
        [
            ("stem", (16, 16, 2), STAGE),
            ("cell2", (8, 8, 10), STAGE),
            ("cell3", (4, 4, 12), STAGE),
            ("both", (2, 2, 4), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        declared,
        "softmax",
        [
            ("declared/conv1", (4, 4, 2), STAGE),
            ("declared/relu2", (2, 2, 2), STAGE),
            ("declared/relu3", (1, 1, 2), STAGE),
            ("out", (2,), PREDICTION),
        ],
    ),
    (
        lambda: keras.Model(
            n := keras.Input((4,)), layers.Dense(2, activation="softmax", name="o")(n)
        ),
        "softmax",
        [("o", (2,), PREDICTION)],
    ),
]


@pytest.mark.parametrize(("build", "head", "expected"), TABLE)
def test_points(build, head, expected):
    model, again = build(), build()
    points = fusion_points(model)
    assert points.head == head
    assert [(p.path, p.shape, p.role) for p in points[1:]] == expected
    assert points[0].role == "input"
    assert points[0].shape in {tuple(tensor.shape[1:]) for tensor in model.inputs}
    assert [p.stage for p in points] == list(range(len(points)))
    assert points == fusion_points(model), "the second look finds the same"
    assert [p.shape for p in points] == [p.shape for p in fusion_points(again)]


def test_headless_network_under_pooling_ends_in_an_output():
    headless = vgg_like()
    model = keras.Model(headless.input, layers.GlobalAveragePooling2D()(headless.output))
    assert [point.role for point in fusion_points(model)] == ["input", STAGE, STAGE, "output"]


def test_layers_called_twice_are_no_points():
    shared = layers.Dense(4, activation="tanh", name="shared")
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="tanh", name="single")(shared(shared(inputs)))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x))
    assert [point.path for point in fusion_points(model)[1:]] == ["single", "out"]


def reached_without(model, path):
    """Whether the output can be computed when the tensor of layer `path` is not to be had.

    Goes backwards from the output along Keras' own record of who made what.
    """
    stack, seen = list(model.outputs), set()
    while stack:
        tensor = stack.pop()
        operation, node = tensor._keras_history.operation, tensor._keras_history.node_index
        if operation.name == path or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if tensor is model.inputs[0]:
            return True
        stack += operation._inbound_nodes[node].input_tensors
    return False


@pytest.mark.parametrize("seed", range(6))
def test_no_point_lies_beside_a_path(seed):
    """Random networks full of skip connections: every path to the output crosses every point."""
    rng = np.random.default_rng(seed)
    inputs = keras.Input((4, 4, 2))
    tensors = [layers.Conv2D(2, 3, padding="same", name="start")(inputs)]
    for i in range(12):
        x = layers.Conv2D(2, 3, padding="same", name=f"conv{i}")(tensors[-1])
        if rng.random() < 0.5:
            x = layers.Add(name=f"add{i}")([x, tensors[rng.integers(max(0, i - 3), i + 1)]])
        if rng.random() < 0.25:
            x = layers.Conv2D(2, 3, padding="same", strides=1, name=f"more{i}")(x)
            x = layers.UpSampling2D(2, name=f"up{i}")(x)
            x = layers.MaxPooling2D(2, name=f"pool{i}")(x)
        tensors.append(x)
    x = layers.GlobalAveragePooling2D()(tensors[-1])
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    points = fusion_points(model)
    assert not any(reached_without(model, point.path) for point in points[1:])
    beside = [layer.name for layer in model.layers if reached_without(model, layer.name)]
    assert beside, "the network has layers that can be gone around"


def test_printed_table():
    table = str(fusion_points(nested())).splitlines()
    assert table == [
        "stage  layer            shape    role",
        "0      picture          16x16x3  input",
        "1      vgg/block1_pool  8x8x2    stage",
        "2      vgg/block2_pool  4x4x3    stage",
        "3      hidden           6        stage",
        "4      out              3        prediction",
    ]
    assert shape_name((None, 4)) == "?x4"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("vgg/block1_pool", "vgg/block1_pool"),
        ("block1_conv2", "vgg/block1_conv2"),  # not a point by itself, but a layer
        ("hidden", "hidden"),
    ],
)
def test_point_at(path, found):
    model = nested()
    _, point = point_at(model, path)
    assert isinstance(point, FusionPoint) and point.path == found


def test_positions_are_in_the_order_of_the_network():
    model = nested()
    paths = ["scale", "vgg/block1_conv1", "vgg/block1_pool", "vgg/block2_pool", "mean", "hidden"]
    positions = [point_at(model, path)[0] for path in paths]
    assert positions == sorted(positions)


def test_points_that_are_crossed_are_no_cuts():
    cuts = {point.path: point.is_cut for point in fusion_points(crossed())}
    assert [path for path, is_cut in cuts.items() if not is_cut] == ["cell2", "cell3"]
    assert all(point.is_cut for point in fusion_points(nested()))


def side_by_side():
    inputs = keras.Input((2,))
    heads = [layers.Dense(2, name=name)(inputs) for name in ("left", "right")]
    return keras.Model(inputs, heads, name="twofold")


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def ambiguous():
    inputs = keras.Input((4,))
    x = vector_net("one", features=4)(inputs)
    x = vector_net("two", features=CLASSES_OF_ONE)(x)
    return keras.Model(inputs, x, name="both")


CLASSES_OF_ONE = 3


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: fusion_points(5), TypeError, "expected a keras.Model. Received: int"),
        (lambda: fusion_points(layers.Dense(2)), TypeError, "Received: Dense"),
        (
            lambda: fusion_points(Sequential([layers.Dense(2)], name="bare")),
            ValueError,
            '"bare": .*keras.Input.*Received: a Sequential',
        ),
        (
            lambda: fusion_points(Subclassed(name="sub")),
            ValueError,
            '"sub".*Received: a Subclassed',
        ),
        (lambda: fusion_points(side_by_side()), ValueError, '"twofold".*Received: 2 outputs'),
        (
            lambda: point_at(map_net(), "nowhere"),
            ValueError,
            'layer called once.*such as .*pool0.*Received: "nowhere" \\(no layer',
        ),
        (
            lambda: point_at(ambiguous(), "dense0"),
            ValueError,
            'Received: "dense0" \\(2 calls of that layer\\)',
        ),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
