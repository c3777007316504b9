"""XFlow, Table IV: accuracy of the networks with and without connections, and of the DTN.

    python examples/papers/xflow_table4.py --data avletters
    python examples/papers/xflow_table4.py --data grid_digits --quick

The paper's XFlow column is not one network: for AVletters and CUAVE its {CNN x MLP}-LSTM, and for
Digits both, are the ablation without cross-connections, which did best (see Table V). Here the
rows are always the networks with all connections; what Table V reports of them is in brackets.
The DTN gets the data of the CNN x MLP with frames halved, as its sizes in the paper say, and its
first two layers are trained as autoencoders before, for a fixed number of epochs (the paper: until
convergence).

--quick: see below. Without the DTN about 2 CPU minutes a fold on GRID digits, with it 4.
"""

import _table
import _xflow

import keras_fusion as kf

PUBLISHED = {  # the DTN; baseline, XFlow and p of both networks
    "avletters": ("35.0", ("73.1", "74.0", "0.65"), ("78.1", "89.6 (85.6)", "0.02")),
    "cuave": ("87.9", ("90.3", "93.5", "0.05"), ("96.9", "99.3 (98.8)", "0.01")),
    "digits": ("72.9", ("78.3", "87.7 (86.7)", "0.002"), ("88.7", "96.8 (93.0)", "0.0012")),
    "grid_digits": ("", ("", "", ""), ("", "", "")),
}
PRETRAINING = 50  # epochs of each autoencoder


def dtn(averaged, seeds, args, fold, backup_dir):
    parts = {}
    for part, (x, y) in averaged.items():
        image = _xflow.shrunk(x["image"], max(1, 2 // args.shrink), "averaged")
        parts[part] = {"image": image.reshape(len(y), -1), "audio": x["audio"]}, y
    x = parts["train"][0]
    _, preset, classes, _ = _xflow.DATA[args.data]

    def build():
        return kf.presets.xflow_dtn(
            preset,
            image_features=x["image"].shape[1],
            audio_features=x["audio"].shape[1],
            num_classes=classes,
        )

    def pretrain(model):
        kf.models.pretrain_dtn(model, x, min(PRETRAINING, args.epochs))

    return _xflow.scores("dtn", build, parts, seeds, args, fold, backup_dir, pretrain)


def main():
    args = _xflow.arguments(__doc__)
    first, cnn, lstm = PUBLISHED[args.data]
    names = ("CNN x MLP", "{CNN x MLP}-LSTM")
    published = {"accuracy": first, "reported": first}
    rows = [_table.Row("DTN", dtn, published, lambda data, fold: data("averaged", fold))]
    for name, kind, published in zip(names, ("cnn_mlp", "cnn_mlp_lstm"), (cnn, lstm), strict=True):
        rows.append(_xflow.row(f"{name}, baseline", published[0], kind))
        rows.append(_xflow.row(f"{name}, XFlow", published[1], kind, cross=True, residual=True))
    p_values = zip(names, (cnn[2], lstm[2]), strict=True)
    pairs = [(f"{n}, XFlow", f"{n}, baseline", p) for n, p in p_values]
    _xflow.run(4, "IV", rows, "CNN x MLP, baseline", args, pairs)


if __name__ == "__main__":
    main()
