"""Small saved models of every method, every layer, and some networks of the papers.

What a version has saved must load for ever, and predict the same. `golden/saved_0.1.0.zip` was
written on TensorFlow, with the lowest supported Keras, by

    python tests/golden_files.py tests/golden/saved_0.1.0.zip

and test_golden_files.py reads it. A released version's file is never written anew: the next one
adds its own.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from conformance import all_cases, arrays_of, make_distinct, network
from helpers.tiny import batch, labels, map_net, outputs, randomize, vector_net

import keras_fusion as kf

# Of the methods whose default widths would make large files.
SMALL = {
    "concat_features": {"head_units": (6,)},
    "moddrop": {"head_units": (6,)},
    "gmu": {"fusion_units": 6},
    "modality_gated": {"head_units": (6, 5)},
    "cross_attention": {"fusion_units": 8},
    "interactive_memory": {"fusion_units": 4},
    "shared_specific": {"fusion_units": 4, "head_units": (6,)},
    "kernel_fusion": {"landmarks": 5, "projection_units": 4},
    "xflow": {"head_units": (6,), "cross_units": 4},
    "dtn": {"stream_units": (5, 4), "shared_units": (4,)},
}
MISSING = {"missing_modalities": True, "unimodal_loss_weights": 0.5}


def nets():
    """Not in the order of their names; good for XFlow too."""
    return {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}


def method_makers():
    """`{file name: function that builds the model}`, without and with missing modalities."""
    makers = {}
    for method in kf.methods():
        for prefix, arguments in (("method", {}), ("missing", MISSING)):
            makers[f"{prefix}_{method.name}"] = _maker(
                kf.build, method.name, nets, **SMALL.get(method.name, {}), **arguments
            )
    return makers


def network_makers():
    """Networks with registered functions of their own, and a model compiled with our losses."""
    return {
        "network_xflow_cnn_mlp_lstm": lambda: kf.presets.xflow_cnn_mlp_lstm(
            "digits",
            image_shape=(3, 8, 8, 1),
            audio_shape=(3, 4),
            num_classes=3,
            kernel_sizes=(3, 2),
        ),
        "network_compiled": _several_labels,
    }


def _several_labels():
    ends = {"classes": 3, "units": (4,)}
    image = vector_net("one", activation="sigmoid", **ends)
    model = kf.build_centralnet(
        {"image": image, "sound": vector_net("two", activation="sigmoid", **ends)},
        missing_modalities={"image": "mean", "sound": "learned"},
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=kf.losses.WeightedBinaryCrossentropy(2.0),
        metrics=[kf.metrics.F1("micro"), kf.metrics.NumberOfErrors()],
    )
    return model


def _maker(function, name, backbones, **arguments):
    return lambda: function(name, backbones(), **arguments)


def samples(model):
    """Fixed inputs, the mask among them."""
    x = batch(model)
    if model.has_present:
        x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")
    return x


def _trained(model):
    """With different values in all its weights, and averages that have moved."""
    randomize(model)
    x, y = samples(model), labels()
    if not model.compiled:
        model.compile(keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    elif model.get_compile_config()["loss"] is not None:
        y = np.eye(3, dtype="float32")[y]
    model.train_on_batch(x, y)
    return model


def _write_all(folder):
    expected = {}
    for name, make in {**method_makers(), **network_makers()}.items():
        model = _trained(make())
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        for head, values in outputs(model, samples(model)).items():
            expected[f"{name}/{head}"] = values
        if name in ("method_centralnet", "method_gmu", "missing_centralnet"):
            kf.export_saved_model(model, folder / f"{name}_saved_model")
    for case in all_cases():
        model = network(case, make_distinct(case))
        model.save(folder / f"layer_{case}.keras")
        model.save_weights(folder / f"layer_{case}.weights.h5")
        expected[f"layer_{case}"] = keras.ops.convert_to_numpy(model(arrays_of(case)))
    np.savez_compressed(folder / "expected.npz", **expected)


def main(path):
    if keras.backend.backend() != "tensorflow" or os.path.exists(path):
        sys.exit("expected the TensorFlow backend, and a file that does not exist yet")
    with tempfile.TemporaryDirectory() as folder:
        keras.utils.set_random_seed(0)
        _write_all(Path(folder))
        unfinished = f"{path}.unfinished"
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_LZMA) as archive:
            for file in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                archive.write(file, file.relative_to(folder))
        os.replace(unfinished, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
