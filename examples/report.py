"""A page to look at: what a fusion of two views of digits does, modality by modality.

    python examples/report.py

Needs `pip install keras_fusion[examples,report]`. MM-digits, two views of handwritten digits, comes
with scikit-learn. Trains a CentralNet that takes missing views, and writes `report.html`: open it
in a browser. Takes one to two minutes on two CPU cores.
"""

import argparse

import keras

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--path", default="report.html")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    data = kf.datasets.mm_digits.load_data()
    (x, y), (x_validation, y_validation) = data["train"], data["validation"]
    views = {name: kf.backbones.mlp(pixels.shape[1:], (64, 32)) for name, pixels in x.items()}
    model = kf.build_centralnet(views, missing_modalities=True)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    few = {name: pixels[:64] for name, pixels in x_validation.items()}
    callbacks = [
        kf.training.FusionWeightsHistory(),
        kf.training.ModalityBalance(few, y_validation[:64]),
    ]
    x = kf.datasets.drop_modalities(x, rate=0.3)
    validation = x_validation, y_validation
    model.fit(x, y, validation_data=validation, epochs=args.epochs, verbose=2, callbacks=callbacks)
    print(kf.report(model, data, args.path, callbacks=callbacks, title="Two views of digits"))


if __name__ == "__main__":
    main()
