"""Modality gate paper, Tables 1, 3 and 4: RGB and depth maps by cross-validation.

    python examples/papers/modality_gate_tables.py --table 1
    python examples/papers/modality_gate_tables.py --table 4 --folds 2
    python examples/papers/modality_gate_tables.py --table 1 --quick

Oyedotun et al. (2019), Learning to Fuse Latent Representations for Multimodal Data, Sect. 4.
Table 1: expressions of BU-3DFE, 10 folds. Tables 3 and 4: 4,500 samples of 51 categories of the
Washington RGB-D objects, 10 and 5 folds.

Protocol: RGB by a VGG19 or ResNet50 with ImageNet's weights, depth maps by a network from scratch
(or by those two); features fused by the modality gate, Eq. (7), or concatenated ("NF", naive
fusion); two fully connected layers and the softmax; all of it trained by Adam with a learning
rate that falls from 0.001 to 0.00001, up to 400 epochs. A new model for every fold and seed. No
epoch is selected: all folds but one are trained on, and the test fold is read once, after the
last epoch. Folds are the same for all rows, so that differences are tested in pairs.

What the paper leaves open: people are dealt to folds (BU-3DFE; intensities 3 and 4) and frames
(Washington; --by object keeps an object in one fold), stratified by category; images and maps have
224x224 pixels; the features are the average of the last map (VGG19 512, ResNet50 2048) and 512 of
the depth network; the two layers have 512 units each, with batch normalization and dropout 0.5,
and are the same in every row; the learning rate falls by the same factor every epoch; batches have
32 samples; the pretrained networks see depth in metres, times 255, in three channels; one seed.
Stopping earlier ("up to 400") would need a validation part; --epochs sets another number.

--quick: the first 2 folds, images of 32x32, 3 epochs, random weights: what it prints says
nothing about the methods.
Data: see `kf.datasets.info("bu_3dfe")` and `kf.datasets.info("washington_rgbd")`. A GPU is needed.
"""

import argparse
import functools

import _options
import _table
import keras
import numpy as np
from _licensed import alone, fitted, load_or_explain, part_of, predicted
from keras import layers

import keras_fusion as kf

# Number: data set, folds, and the published accuracies in the order of `methods`.
TABLES = {
    1: ("bu_3dfe", 10, "61.11 28.06 84.72 82.92 81.25 87.08 89.31 89.86 90.69"),
    3: ("washington_rgbd", 10, "2.39 2.38 77.07 50.08 98.25 76.65 90.56 99.32 99.54"),
    4: ("washington_rgbd", 5, "1.67 2.38 73.87 29.76 96.73 61.23 83.16 98.93 99.51"),
}
QUICK = {"epochs": 3, "seeds": 1, "folds": 2, "size": 32, "batch_size": 16, "weights": "random"}
OPTIONS = (
    ("--size", 224, "height and width of images and depth maps"),
    ("--batch-size", 32, "samples"),
    ("--weights", "imagenet", "of VGG19 and ResNet50: imagenet (downloaded by Keras) or random"),
    ("--by", "frame", "what is dealt to Washington's folds: frame or object"),
)
UNITS, DROPOUT = (512, 512), 0.5
PRETRAINED = {"VGG19": kf.backbones.vgg19, "ResNet50": kf.backbones.resnet50}


def methods(args, classes):
    """`{row: (function that builds it, modality or None)}`, in the order of the tables."""
    weights = {"imagenet": "imagenet", "random": None}[args.weights]
    shape = (args.size, args.size)

    def depth_cnn():
        return kf.backbones.depth_cnn((*shape, 1), None, DROPOUT)

    def pretrained(name):
        return PRETRAINED[name]((*shape, 3), weights=weights)

    def of_depth(name):
        """A network for RGB images, on depth maps."""
        network = pretrained(name)
        inputs = keras.Input((*shape, 1), name="depth")
        x = layers.Rescaling(255.0, name="millimetres")(inputs)
        x = layers.Concatenate(name="three_channels")([x, x, x])
        return keras.Model(inputs, network(x), name="depth_network")

    def single(modality, network, *of):
        return lambda: alone(modality, classifier(network(*of), classes)), modality

    def naive(name):
        nets = {"rgb": pretrained(name), "depth": depth_cnn()}
        return kf.build_concat_features(
            nets, head_units=UNITS, dropout=DROPOUT, num_classes=classes
        )

    def gated(name):
        return kf.presets.modality_gate_rgbd(
            name.lower(), classes, (*shape, 3), (*shape, 1), UNITS, DROPOUT, weights
        )

    return {
        "DepthMap-ResNet50": single("depth", of_depth, "ResNet50"),
        "DepthMap-VGG19": single("depth", of_depth, "VGG19"),
        "DepthMap-scratch": single("depth", depth_cnn),
        "RGB-ResNet50": single("rgb", pretrained, "ResNet50"),
        "RGB-VGG19": single("rgb", pretrained, "VGG19"),
        "NF: RGB-ResNet50+DepthMap-scratch": (lambda: naive("ResNet50"), None),
        "NF: RGB-VGG19+DepthMap-scratch": (lambda: naive("VGG19"), None),
        "Ours: RGB-ResNet50+DepthMap-scratch": (lambda: gated("ResNet50"), None),
        "Ours: RGB-VGG19+DepthMap-scratch": (lambda: gated("VGG19"), None),
    }


def averaged(network):
    """The network up to a vector: the average of its last map if it ends in one."""
    x = network.output
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="averaged")(x)
    return keras.Model(network.input, x, name=network.name)


def top(classes):
    """Two fully connected layers and the logits, a function on tensors; as the gated model's."""

    def cell(x):
        for i, units in enumerate(UNITS):
            x = layers.Dense(units, use_bias=False, name=f"central_dense{i}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"central_dense{i}_bn")(x)
            x = layers.ReLU(name=f"central_dense{i}_relu")(x)
            x = layers.Dropout(DROPOUT, name=f"central_dense{i}_dropout")(x)
        return layers.Dense(classes, name="central_logits")(x)

    return cell


def classifier(network, classes):
    """A network with the two layers and the softmax on its features."""
    network = averaged(network)
    x = layers.Softmax(dtype="float32", name="prediction")(top(classes)(network.output))
    return keras.Model(network.input, x, name=network.name)


def row(name, published, build, modality):
    def compiled():
        model = build()
        model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
        return model

    def run(data, seeds, args, fold, backup_dir):
        def batches(seed):
            return kf.datasets.as_pydataset(data["train"], args.batch_size, seed=seed)

        def learning_rate(epoch):
            return annealed(epoch, args.epochs)

        found = []
        for model in fitted(compiled, batches, seeds, args, backup_dir, learning_rate):
            scores = predicted(model, data["test"], args.batch_size)
            scores = kf.evaluation.classification_scores(data["test"][1], scores)
            found.append({"accuracy": 100 * scores["accuracy"]})
        return found

    return _table.Row(name, run, {"accuracy": published}, part_of(modality))


def annealed(epoch, epochs, first=1e-3, last=1e-5):
    """From `first` to `last` by the same factor every epoch."""
    return first * (last / first) ** (epoch / max(epochs - 1, 1))


def loader(name, folds, args):
    """A function that returns the parts of a fold, in memory; it keeps the last one."""

    @functools.lru_cache(maxsize=1)
    def read(fold):
        arguments = {"folds": folds, "fold": fold, "image_size": (args.size, args.size)}
        if name == "washington_rgbd":
            arguments["by"] = args.by
        module = getattr(kf.datasets, name)
        data = module.load_data(args.data_dir, validation=False, **arguments)
        return {
            part: ({key: np.asarray(rows) for key, rows in x.items()}, y)
            for part, (x, y) in data.items()
        }

    def load():
        load_or_explain(name, lambda: read(args.folds[0]))
        return read

    return load


def main():
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--table", type=int, choices=list(TABLES), default=1)
    number = which.parse_known_args()[0].table
    name, folds, published = TABLES[number]
    args = _options.arguments(
        __doc__, epochs=400, seeds=1, folds=folds, quick=QUICK,
        options=(("--table", number, "1, 3 or 4"), *OPTIONS),
    )  # fmt: skip
    args.at_once = 1  # every run is written as soon as it is done
    module = getattr(kf.datasets, name)
    classes = len(module.EXPRESSIONS) if name == "bu_3dfe" else module.NUM_CLASSES
    found = methods(args, classes)
    table = _table.Table(
        name=f"modality_gate_table{number}",
        title=f"Modality gate, Table {number}: {name}, {folds}-fold cross-validation",
        rows=[
            row(method, value, *found[method])
            for method, value in zip(found, published.split(), strict=True)
        ],
        metrics={"accuracy": "test accuracy, %"},
        reference="Ours: RGB-VGG19+DepthMap-scratch",
        note="Random weights and tiny images." if args.quick else "",
    )
    _table.run(table, loader(name, folds, args), args)


if __name__ == "__main__":
    main()
