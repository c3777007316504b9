"""The presets against the papers' text and tables, read from the built models' graphs."""

import keras
import numpy as np
import pytest
from helpers.graphs import chain_above, fusions, maker, sources
from helpers.tiny import (
    batch,
    labels,
    outputs,
    reloaded,
    untrained_weights,
)
from keras import layers

from keras_fusion.backbones import audioset_cnn
from keras_fusion.layers import AverageAxes, CentralFusion, ModalityGate, PadFeatures
from keras_fusion.models.presets import (
    centralnet_afew,
    centralnet_audioset,
    centralnet_mm_imdb,
    centralnet_montalbano,
    modality_gate_rgbd,
)
from keras_fusion.models.presets.multilevel import audioset_fusion

DENSE = (layers.Dense, layers.BatchNormalization, layers.ReLU, layers.Dropout)
# Typed off the papers: the inputs, the width at which they are fused, the layers from there on,
# and whether the networks themselves take the padded features.
PERCEPTRONS = {
    # CentralNet, Sect. 3.3: "zero-padded (if needed) to give vectors of size 400 [...] 3 layers
    # of size: 400x128, 128x42, 42x21".
    centralnet_montalbano: (
        {"audio": 350, "left_hand": 400, "mocap": 350, "right_hand": 400},
        400,
        (128, 42, 21),
        True,
    ),
    # CentralNet, Table 6, and "4096-d vectors as inputs, zero-padding the textual features".
    centralnet_mm_imdb: ({"image": 4096, "text": 300}, 4096, (2048, 512, 23), False),
    # Multi-Level Sensor Fusion, Sect. 3.3: "[1583 -> 128 -> 7] [...] the visual modality is
    # zero-padded to the size of the audio modality" for the first weighted sum.
    centralnet_afew: ({"audio": 1583, "video": 512}, 1583, (128, 7), False),
}
HEADS = {
    centralnet_montalbano: keras.activations.softmax,
    centralnet_mm_imdb: keras.activations.sigmoid,
    centralnet_afew: keras.activations.softmax,
}
every_perceptron = pytest.mark.parametrize(
    ("preset", "inputs", "first", "sizes", "padded"),
    [(preset, *row) for preset, row in PERCEPTRONS.items()],
)


def graph(build):
    with keras.StatelessScope(initialize_variables=False):
        return build()


def check_rows(chain, sizes):
    """Hidden blocks as in the papers, each with 50 % dropout, and the layer of the prediction."""
    assert len(chain) == 4 * (len(sizes) - 1) + 1
    for i, units in enumerate(sizes[:-1]):
        found = chain[4 * i : 4 * i + 4]
        assert tuple(type(layer) for layer in found) == DENSE
        assert (found[0].units, found[3].rate) == (units, 0.5)
    assert type(chain[-1]) is layers.Dense and chain[-1].units == sizes[-1]


@every_perceptron
def test_unimodal_networks(preset, inputs, first, sizes, padded):
    model = graph(preset)
    assert {name: tuple(t.shape[1:]) for name, t in model.input.items()} == {
        name: (width,) for name, width in inputs.items()
    }
    for name, width in inputs.items():
        backbone = model.get_layer(f"{name}_backbone")
        chain, _ = chain_above(backbone.outputs[-1], layers.InputLayer)
        if padded:
            assert type(chain[0]) is PadFeatures and chain.pop(0).units == first
        check_rows(chain, sizes)
        assert chain[-1].activation is HEADS[preset]
        assert chain[0].kernel.shape == (first if padded else width, sizes[0])


@every_perceptron
def test_central_network(preset, inputs, first, sizes, padded):
    model = graph(preset)
    below, *later = fusions(model)
    assert sources(below)[1] is None
    cells = []
    for fusion in later:
        cell, start = chain_above(sources(fusion)[1], CentralFusion)
        assert start is below
        cells, below = cells + cell, fusion
    check_rows(cells, sizes)
    assert cells[0].kernel.shape == (first, sizes[0])
    head, start = chain_above(model.output["central"], CentralFusion)
    assert start is below and [h.activation for h in head] == [HEADS[preset]]


@every_perceptron
def test_what_meets_at_each_level(preset, inputs, first, sizes, padded):
    model = graph(preset)
    assert list(model.fusion_levels.values()) == [
        str(first),
        *map(str, sizes[:-1]),
        "prediction",
    ]
    lowest, *hidden = fusions(model)[:-1]
    for name, tensor in zip(inputs, sources(lowest)[0], strict=True):
        assert tensor.shape == (None, first)
        operation, _, index = tensor._keras_history
        if operation.name == f"{name}_backbone":
            tensor = operation.outputs[index]
        chain, _ = chain_above(tensor, layers.InputLayer)
        pads = [layer.units for layer in chain if isinstance(layer, PadFeatures)]
        assert pads == ([first] if padded or inputs[name] < first else [])
        assert all(isinstance(layer, PadFeatures) for layer in chain)
    for fusion, size in zip(hidden, sizes, strict=False):
        for tensor in sources(fusion)[0]:
            assert tensor.shape == (None, size) and type(maker(tensor)[0]) is layers.Dropout


@every_perceptron
def test_number_of_parameters(preset, inputs, first, sizes, padded):
    starts = [first] + [first if padded else width for width in inputs.values()]
    total = 0
    for width in starts:  # the central network, and one for each modality
        for units in sizes[:-1]:
            total, width = total + width * units + 4 * units, units
        total += (width + 1) * sizes[-1]
    levels = len(sizes) + 1
    # Modalities, central (not at the first level) and the common factor, at every level.
    total += levels * (len(inputs) + 2) - 1
    assert graph(preset).count_params() == total


@every_perceptron
def test_arguments(preset, inputs, first, sizes, padded):
    def build():
        return preset(dropout=0.25, modality_scale=False, missing_modalities=True, name="mine")

    model = graph(build)
    rates = [la.rate for la in model._flatten_layers() if isinstance(la, layers.Dropout)]
    assert set(rates) == {0.25} and model.name == "mine"
    assert not any(fusion.modality_scale for fusion in fusions(model))
    assert sorted(model.input) == sorted([*inputs, "present"])
    assert list(graph(lambda: preset(dropout=0)).fusion_levels) == list(model.fusion_levels)


def test_perceptrons_train(tmp_path):
    model = centralnet_afew(dropout=0, missing_modalities=True)
    x = {**batch(model), "present": np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")}
    x["audio"][1] = np.nan
    before = outputs(model, x)
    for name, expected in outputs(reloaded(model, tmp_path), x).items():
        np.testing.assert_allclose(before[name], expected, rtol=1e-5)
    assert untrained_weights(model, x, labels(classes=7)) == []


# Multi-Level Sensor Fusion, Sect. 3.4.
LEVELS = [(128, 128, 128), (64, 64, 256), (32, 32, 512), (16, 16, 1024), (8, 8, 2048)]
RESNET = [(128, 128, 64), *LEVELS[1:]]


def test_audioset():
    """The audio CNN without its first two convolutions, fed by maps averaged over time."""
    model = graph(centralnet_audioset)
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in model.input.items()}
    assert shapes == {"audio": (512, 512, 1), "video": (16, 256, 256, 3)}
    assert {tuple(t.shape) for t in model.output.values()} == {(None, 211)}
    found = fusions(model)
    assert len(found) == len(LEVELS) + 1
    for i, (fusion, shape, of_video) in enumerate(
        zip(found[:-1], LEVELS, RESNET, strict=True), start=2
    ):
        audio, video = sources(fusion)[0]
        assert audio.shape[1:] == video.shape[1:] == shape
        inside = audio._keras_history
        assert inside.operation.name == "audio_backbone"
        assert maker(audio)[0].name == f"conv{i}_relu"
        while not isinstance(video._keras_history.operation, AverageAxes):
            layer, (video,) = maker(video)
            assert type(layer) is PadFeatures and of_video != shape
        layer, (video,) = maker(video)
        assert layer.axes == [1] and video.shape[1:] == (16, *of_video)
        assert video._keras_history.operation.name == "video_backbone"


def test_audioset_central_network():
    model = graph(centralnet_audioset)
    below, *later = fusions(model)
    total = 0
    for i, (fusion, below_shape) in enumerate(zip(later, LEVELS, strict=True), start=1):
        cell, start = chain_above(sources(fusion)[1], CentralFusion)
        assert start is below
        below = fusion
        if i == len(later):
            break
        kinds = (layers.Conv2D, layers.BatchNormalization, layers.ReLU)
        assert tuple(type(layer) for layer in cell) == kinds
        assert (cell[0].kernel_size, cell[0].strides) == ((4, 4), (2, 2))
        assert cell[-1].output.shape[1:] == LEVELS[i]
        total += 16 * below_shape[-1] * LEVELS[i][-1] + 4 * LEVELS[i][-1]
    pooling, flat, logits = cell
    assert type(pooling) is layers.AveragePooling2D and pooling.pool_size == (7, 7)
    assert flat.output.shape == (None, 2048) and logits.units == 211
    backbones = sum(model.get_layer(f"{n}_backbone").count_params() for n in ("audio", "video"))
    total += 2049 * 211 + len(LEVELS) * 4 + 4 - 1
    assert model.count_params() == backbones + total
    assert maker(model.output["central"])[0].activation is keras.activations.sigmoid


def small_video():
    inputs = x = keras.Input((2, 32, 32, 1))
    for name in ("conv1_relu", "conv2_block3_out"):
        x = layers.Conv3D(3, 3, (1, 2, 2), padding="same", activation="tanh", name=name)(x)
    x = layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name="video")


def test_wiring_of_audioset_trains(tmp_path):
    audio = audioset_cnn((64, 64, 1), 3, activation="softmax", filters=(2, 2, 4))
    model = audioset_fusion({"audio": audio, "video": small_video()}, (4,), 3, name="small")
    assert list(model.fusion_levels.values()) == ["16x16x3", "8x8x4", "prediction"]
    x = batch(model)
    assert untrained_weights(model, x, labels()) == []
    again = reloaded(model, tmp_path)
    for name, expected in outputs(model, x).items():
        np.testing.assert_allclose(outputs(again, x)[name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("rgb", "features"), [("vgg19", 512), ("resnet50", 2048)])
def test_modality_gate(rgb, features):
    """Sect. 4: gate on RGB (F^A) and depth (F^B), "two fully connected and softmax layers"."""
    model = graph(lambda: modality_gate_rgbd(rgb, num_classes=6))
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in model.input.items()}
    assert shapes == {"rgb": (224, 224, 3), "depth": (112, 112, 1)}
    chain, gate = chain_above(model.output["central"], ModalityGate)
    assert [type(layer) for layer in chain] == [*DENSE, *DENSE, layers.Dense, layers.Activation]
    assert [chain[0].units, chain[4].units, chain[8].units] == [512, 512, 6]
    assert chain[-1].activation is keras.activations.softmax
    of_rgb, of_depth = gate._inbound_nodes[0].input_tensors
    assert (of_rgb.shape, of_depth.shape) == ((None, features), (None, 512))
    names = [layer.name for layer in model._flatten_layers()]
    assert ("block5_conv4" in names) == (rgb == "vgg19") and "conv4_bn" in names
    assert "preprocessing" in names and list(model.output) == ["central"]
    assert model.name == f"modality_gate_{rgb}"


def test_modality_gate_arguments():
    def build():
        return modality_gate_rgbd(
            num_classes=4,
            rgb_shape=(32, 32, 3),
            depth_shape=(16, 16, 2),
            head_units=(5,),
            dropout=0.25,
            trainable="block5_pool",
            missing_modalities=True,
            name="mine",
        )

    model = graph(build)
    assert model.name == "mine" and "present" in model.input
    assert {tuple(t.shape) for t in model.output.values()} == {(None, 4)}
    rates = [la.rate for la in model._flatten_layers() if isinstance(la, layers.Dropout)]
    assert rates == [0.25, 0.25]
    trained = {w.path.split("/")[-2] for w in model.trainable_weights if "block" in w.path}
    assert trained == {f"block5_conv{i}" for i in range(1, 5)}


def test_modality_gate_wants_a_network_of_the_paper():
    with pytest.raises(ValueError, match="rgb: expected one of .*vgg19.*Received: 'vgg16'"):
        modality_gate_rgbd("vgg16")


def test_montalbano_takes_what_its_reader_gives():
    model = graph(lambda: centralnet_montalbano(padded=True))
    assert {tensor.shape[1:] for tensor in model.input.values()} == {(400,)}
    assert model.fusion_levels == graph(centralnet_montalbano).fusion_levels
