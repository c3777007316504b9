"""Trains a gated model on MM-digits and lays it out as TensorFlow Serving wants it.

    python examples/serving/prepare.py

served/models.config and served/fusion/1/: a model with two images, either of which may be
missing. `--version 2` adds a version beside it, which a running server then takes.

Time:     about 40 s on two CPU cores
"""

import argparse
import shutil
from pathlib import Path

import keras

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("served"))
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    data = kf.datasets.mm_digits.load_data()
    (x, y), (x_test, y_test) = data["train"], data["test"]
    backbones = {name: kf.backbones.lenet5((8, 8, 1), name=name) for name in x}
    model = kf.build_gmu(
        backbones, fusion_units=64, unimodal_loss_weights=0.5, missing_modalities=True
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(kf.datasets.drop_modalities(x, rate=0.25), y, epochs=args.epochs, verbose=2)
    print("test:", model.evaluate(x_test, y_test, verbose=0, return_dict=True))

    # The files of images hold 0 to 255; the data are 0 to 1.
    raw = dict.fromkeys(backbones, ("png", 1 / 255))
    kf.export(model, args.folder / "fusion" / str(args.version), raw=raw)
    shutil.copy(Path(__file__).with_name("models.config"), args.folder)


if __name__ == "__main__":
    main()
