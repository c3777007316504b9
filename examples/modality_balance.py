"""Two modalities of unequal speed: does keeping them in balance help?

    python examples/modality_balance.py

Needs `pip install keras_fusion[examples]`. MM-digits, two views of handwritten digits; the pixels
of the second view are multiplied by 0.05, so that its network learns slowly. GMU with unimodal
heads, trained with every `balance`, five seeds; the validation set chooses the epoch, the test set
is read once at the end. Takes two to ten minutes on two CPU cores.

Printed are the mean and standard deviation over seeds of the test accuracy of the fusion and of
each view's own head, and the gap between the heads. Here (JAX):

       balance        central        image_a        image_b            gap
          None     89.3 ± 0.9     82.3 ± 1.3     47.3 ± 4.3     35.0 ± 4.5
         blend     88.3 ± 2.2    70.1 ± 13.5     46.8 ± 3.1    23.3 ± 10.7
  {'ogm': 0.1}     88.4 ± 0.9     79.0 ± 1.3     47.0 ± 6.1     32.0 ± 6.8
  {'ogm': 0.5}     85.9 ± 1.8     71.3 ± 1.4     47.2 ± 4.0     24.1 ± 3.8
           pmr     88.4 ± 0.9     79.6 ± 2.3     55.1 ± 1.7     24.5 ± 3.9

Only the prototypes bring the slow view on; the others close the gap by holding the fast one back.
None makes the fusion better.
"""

import argparse

import keras
import numpy as np

import keras_fusion as kf

BALANCES = (None, "blend", {"ogm": 0.1}, {"ogm": 0.5}, "pmr")
SLOW, SCALE = "image_b", 0.05


def load(limit=None):
    """MM-digits, whose slow view has small pixels."""
    data = kf.datasets.mm_digits.load_data()
    for split, (x, y) in data.items():
        x = {name: (SCALE if name == SLOW else 1.0) * pixels[:limit] for name, pixels in x.items()}
        data[split] = x, y[:limit]
    return data


def network(view):
    """A small network without batch normalization, which would make up for the small pixels."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 1))
    for layer in (layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(32, "relu")):
        x = layer(x)
    return keras.Model(inputs, layers.Dense(10, "softmax")(x), name=view)


def build(balance):
    """A GMU of two small networks, compiled."""
    nets = {view: network(view) for view in ("image_a", "image_b")}
    model = kf.build_gmu(nets, fusion_units=64, unimodal_loss_weights=1.0, balance=balance)
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def scores(balance, data, seeds, epochs):
    """Test accuracy of every head, `{head: (seeds,)}`."""
    replicas = kf.training.fit_replicas(
        lambda: build(balance),
        *data["train"],
        seeds=seeds,
        epochs=epochs,
        validation_data=data["validation"],
        early_stopping=keras.callbacks.EarlyStopping(
            "val_central_accuracy", mode="max", patience=epochs, restore_best_weights=True
        ),
    )
    found = []
    for k in range(len(seeds)):
        model = replicas.replica(k)
        found.append(model.evaluate(*data["test"], verbose=0, return_dict=True))
    return {h: np.array([100 * one[f"{h}_accuracy"] for one in found]) for h in model.heads}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, help="number of samples of each split")
    options = parser.parse_args()
    data, rows = load(options.limit), []
    for balance in BALANCES:
        print(f"balance={balance!r}", flush=True)
        found = scores(balance, data, list(range(options.seeds)), options.epochs)
        found["gap"] = found["image_a"] - found["image_b"]
        cells = [f"{values.mean():5.1f} ± {values.std():3.1f}" for values in found.values()]
        rows.append([str(balance), *cells])
    print("\n" + " ".join(f"{name:>14}" for name in ("balance", *found)))
    for row in rows:
        print(" ".join(f"{cell:>14}" for cell in row))


if __name__ == "__main__":
    main()
