"""Multi-Level Sensor Fusion paper, Table 1: AFEW and AudioSet, and its two other columns.

    python examples/papers/multilevel_table1.py --data afew
    python examples/papers/multilevel_table1.py --data audioset
    python examples/papers/multilevel_table1.py --data afew --quick

Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3. The methods: the best
modality alone, early fusion (low-level features concatenated), late fusion (scores), ModDrop, the
Gated Multimodal Unit, CentralNet. Mean of 64 runs; the paper gives the standard deviation, "±" of
what is measured is half the 99 % Student interval. AudioSet is one run.

--data afew: accuracy on the validation part (nobody has the labels of the test part). Perceptrons
1583 -> 128 -> 7 (sound) and 512 -> 128 -> 7 (faces). The paper gives no dropout, learning rate,
batch size and number of epochs; here dropout is 0.5 as in its other experiments on features, Adam
has learning rate 0.001, batches have 32 clips, and 100 epochs are trained, none selected.

--data audioset: micro F1 on the test part, 211 labels, threshold 0.5. The six-layer CNN on
spectrograms of 512x512 and an inflated ResNet50 on 16 frames of 256x256, from ImageNet's weights
(--weights). The paper gives no optimizer; here Adam has learning rate 0.0001, batches have 8 clips,
and 20 epochs are trained, none selected. Early fusion concatenates the levels at which the paper's
central network begins. It needs a GPU. ModDrop did not converge for the authors.

--data montalbano, mm_imdb: the protocols of centralnet_table5.py and centralnet_table7.py with
early fusion added.

What the paper leaves open: it calls late fusion a concatenation of the scores, but its numbers for
Montalbano and MM-IMDb are those of the weighted mean in the CentralNet paper, so there are both;
the Gated Multimodal Unit is as wide as the perceptrons' last hidden layer (AudioSet: 512);
ModDrop, where no rate is given, drops with probability 0.5; it does not start from trained
networks.

--quick: 3 epochs, 1 seed; AudioSet with every eighth frame and pixel, at most 64 clips for
training and two small networks in place of the ResNet50 and the CNN; MM-IMDb with 2,000 movies.
Data: see `kf.datasets.info("afew")`, `"audioset"`, `"montalbano"`, `"mm_imdb"`.
"""

import argparse

import _options
import _table
import centralnet_table5
import centralnet_table7
import keras
import numpy as np
from _centralnet import trained
from _licensed import alone, fitted, load_or_explain, part_of, predicted

import keras_fusion as kf

COLUMNS = ("afew", "audioset", "montalbano", "mm_imdb")
QUICK = {"epochs": 3, "seeds": 1}
LABELS = kf.datasets.audioset.NUM_CLASSES


def method_rows(networks, centralnet, moddrop_rate=0.5, gmu_units=512, early=None):
    """`{row: function that builds it}` of all fusion methods.

    Args:
        networks: Function that returns new networks by modality.
        centralnet: Function that builds the CentralNet.
        moddrop_rate, gmu_units: The method's own argument.
        early: Dict of arguments of early fusion.
    """

    def fusion(method, **arguments):
        return lambda: kf.build(method, networks(), **arguments)

    return {
        "Early": fusion("early", **(early or {})),
        "Late (concatenated scores)": fusion("concat"),
        "Late (weighted mean)": fusion("weighted_mean"),
        "ModDrop": fusion("moddrop", rate=moddrop_rate, allow_none=True),
        "GMU": fusion("gmu", fusion_units=gmu_units),
        "CentralNet": centralnet,
    }


def single(networks, modality):
    return lambda: alone(modality, networks()[modality])


# AFEW


def afew_networks():
    """The perceptrons of both modalities, one hidden layer each."""
    features = kf.datasets.afew.FEATURES
    classes = kf.datasets.afew.NUM_CLASSES
    return {
        n: kf.backbones.mlp(size, (128,), classes, 0.5, name=f"mlp_{n}")
        for n, size in features.items()
    }


def afew(args):
    """Rows, metric and loader of AFEW."""
    # The inputs differ in width, so that they are met only if they are named.
    inputs = {name: ["input", "dense1_dropout"] for name in kf.datasets.afew.FEATURES}
    methods = {
        "Video (best modality)": ("52.5 ± 0.7", single(afew_networks, "video"), "video"),
        "Audio": ("34.2", single(afew_networks, "audio"), "audio"),
    }
    published = ("40.1 ± 1.2", "55.3 ± 1.2", "55.3 ± 1.2", "53.2 ± 0.9", "55.1 ± 0.8", "57.2 ± 0.4")
    fusions = method_rows(
        afew_networks, kf.presets.centralnet_afew, gmu_units=128, early={"taps": inputs}
    )
    methods |= {
        name: (value, fusions[name]) for name, value in zip(fusions, published, strict=True)
    }
    rows = [afew_row(name, *about) for name, about in methods.items()]

    def load():
        return load_or_explain("afew", lambda: kf.datasets.afew.load_data(args.data_dir))

    return rows, {"accuracy": "accuracy, %"}, load


def afew_row(name, published, build, modality=None):
    def run(data, seeds, args, fold, backup_dir):
        replicas = trained(build, data, seeds, args, backup_dir, 0.001, batch=32)
        found = replicas.evaluate(*data["validation"])
        accuracy = found["accuracy" if modality is not None else "central_accuracy"]
        return [{"accuracy": 100 * float(value)} for value in accuracy]

    return _table.Row(name, run, {"accuracy": published}, part_of(modality))


# AudioSet


def audioset_networks(weights):
    """The paper's networks, for clips of full size."""
    video = kf.backbones.inflated_resnet50(
        num_classes=LABELS, weights=weights, activation="sigmoid"
    )
    return {"audio": kf.backbones.audioset_cnn((512, 512, 1), LABELS), "video": video}


def small_networks():
    """Networks of the same kinds for every eighth frame and pixel."""
    video = kf.backbones.depth_cnn((32, 32, 3), LABELS, 0.0, "sigmoid", (8, 16, 32), 64)
    return {
        "audio": kf.backbones.audioset_cnn((64, 64, 1), LABELS, filters=(4, 8, 16, 32)),
        "video": kf.backbones.inflate(video, frames=2),
    }


def audioset(args):
    """Rows, metric and loader of AudioSet."""
    weights = {"imagenet": "imagenet", "random": None}[args.weights]
    networks, central, early = small_networks, lambda: kf.build_centralnet(small_networks()), {}
    if not args.quick:

        def networks():
            return audioset_networks(weights)

        def central():
            return kf.presets.centralnet_audioset(weights)

        video = ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
                 "conv5_block3_out")  # fmt: skip
        taps = {"audio": [f"conv{i}_relu" for i in range(2, 7)], "video": list(video)}
        early = {"taps": taps, "align": "pad"}
    methods = {
        "Audio (best modality)": ("55.2", single(networks, "audio"), "audio"),
        "Video": ("54.8", single(networks, "video"), "video"),
    }
    fusions = method_rows(networks, central, early=early)
    published = ("50.1", "58.3", "58.3", "", "58.7", "59.1")
    methods |= {
        name: (value, fusions[name]) for name, value in zip(fusions, published, strict=True)
    }
    rows = [audioset_row(name, *about) for name, about in methods.items()]
    return rows, {"f1_micro": "micro F1, %"}, lambda: load_audioset(args)


def audioset_trained(build, data, seeds, args, backup_dir):
    """The model of every seed, trained by the protocol above; `build` makes one, not compiled."""

    def compiled():
        model = build()
        model.compile(keras.optimizers.Adam(0.0001), "binary_crossentropy")
        return model

    def batches(seed):
        return kf.datasets.as_pydataset(data["train"], args.batch_size, seed=seed)

    return fitted(compiled, batches, seeds, args, backup_dir)


def audioset_row(name, published, build, modality=None):
    def run(data, seeds, args, fold, backup_dir):
        found = []
        for model in audioset_trained(build, data, seeds, args, backup_dir):
            scores = predicted(model, data["test"], args.batch_size)
            micro = kf.evaluation.f1_scores(data["test"][1], scores)["micro"]
            found.append({"f1_micro": 100 * micro})
        return found

    return _table.Row(name, run, {"f1_micro": published}, part_of(modality))


def load_audioset(args):
    """The clips, on disk; with --quick a few small ones in memory."""
    data = load_or_explain("audioset", lambda: kf.datasets.audioset.load_data(args.data_dir))
    if not args.quick:
        return data
    return {part: small_clips(*data[part]) for part in ("train", "test")}


def small_clips(x, y, count=64):
    """The first clips, every eighth frame and pixel of them, read one after the other."""
    rows = range(min(count, len(y)))
    audio = np.stack([x["audio"][i][::8, ::8] for i in rows])
    video = np.stack([x["video"][i][::8, ::8, ::8] for i in rows])
    return {"audio": audio, "video": video}, y[: len(rows)]


# The two columns that the CentralNet paper has as well


def montalbano(args):
    """Rows, metric and loader of Montalbano, by the protocol of centralnet_table5.py."""
    first = centralnet_table5
    fusions = method_rows(
        first.networks, lambda: kf.presets.centralnet_montalbano(padded=True), 0.5, first.HIDDEN[-1]
    )
    published = ("97.81 ± 0.05", "97.54 ± 0.02", "97.54 ± 0.02", "98.19 ± 0.03", "97.98 ± 0.04",
                 "98.27 ± 0.03")  # fmt: skip
    best = first.row("Mocap (best modality)", "88.00 ± 0.30", single(first.networks, "mocap"),
                     "mocap")  # fmt: skip
    rows = [first.row(n, v, fusions[n]) for n, v in zip(fusions, published, strict=True)]
    return [best, *rows], {"macro_accuracy": "macro accuracy, %"}, lambda: first.load(args)


def mm_imdb(args):
    """Rows, metric and loader of MM-IMDb, by the protocol of centralnet_table7.py."""
    first = centralnet_table7
    inputs = {name: ["input", "dense1_dropout", "dense2_dropout"] for name in first.SIZES}
    fusions = method_rows(
        first.networks, kf.presets.centralnet_mm_imdb, 0.25, first.HIDDEN[-1], {"taps": inputs}
    )
    published = ("0.630 ± 0.0024", "0.635 ± 0.0014", "0.635 ± 0.0014", "0.624 ± 0.0015",
                 "0.630 ± 0.0017", "0.639 ± 0.0012")  # fmt: skip
    best = first.row("Text (best modality)", {"f1_micro": "0.602 ± 0.002"},
                     single(first.networks, "text"), "text")  # fmt: skip
    rows = [
        first.row(n, {"f1_micro": v}, fusions[n]) for n, v in zip(fusions, published, strict=True)
    ]
    return [best, *rows], {"f1_micro": "micro F1"}, lambda: first.load(args)


# The command


def settings(data):
    """What `_options.arguments` needs to know of a column: the paper's numbers and --quick's."""
    if data == "mm_imdb":
        quick = {**QUICK, "samples": 2000}
        return {"epochs": 200, "seeds": 64, "quick": quick, "options": centralnet_table7.OPTIONS}
    if data == "audioset":
        options = (
            ("--weights", "imagenet", "of the ResNet50: imagenet (downloaded by Keras) or random"),
            ("--batch-size", 8, "clips"),
        )
        quick = {**QUICK, "weights": "random"}
        return {"epochs": 20, "seeds": 1, "quick": quick, "options": options}
    return {"epochs": 100, "seeds": 64, "quick": QUICK, "options": ()}


def main():
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--data", choices=COLUMNS, default=COLUMNS[0])
    data = which.parse_known_args()[0].data
    own = settings(data)
    options = (("--data", data, f"one of {', '.join(COLUMNS)}"), *own.pop("options"))
    args = _options.arguments(__doc__, options=options, **own)
    if data in ("audioset", "montalbano"):
        args.at_once = 1  # every run is written as soon as it is done
    rows, metrics, load = {
        "afew": afew, "audioset": audioset, "montalbano": montalbano, "mm_imdb": mm_imdb
    }[data](args)  # fmt: skip
    table = _table.Table(
        name=f"multilevel_table1_{data}",
        title=f"Multi-Level Sensor Fusion, Table 1: {data}",
        rows=rows,
        metrics=metrics,
        reference="Late (concatenated scores)",
        note="Small networks, every eighth pixel." if data == "audioset" and args.quick else "",
    )
    _table.run(table, load, args)


if __name__ == "__main__":
    main()
