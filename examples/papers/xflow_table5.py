"""XFlow, Table V: which connections matter? Both kinds, and each of them alone.

    python examples/papers/xflow_table5.py --data digits
    python examples/papers/xflow_table5.py --data grid_digits --quick

"No x-conns" has residual connections only, "no res-conns" cross-connections only; all else of the
networks stays as it is, with normalization and dropout where tensors would have met.

--quick: see below. About 3 CPU minutes a fold on GRID digits.
"""

import _xflow

PUBLISHED = {
    "avletters": (("74.0", "73.8", "70.6"), ("85.6", "89.6", "86.2")),
    "cuave": (("93.5", "92.0", "91.9"), ("98.8", "99.3", "97.7")),
    "digits": (("86.7", "87.7", "80.1"), ("93.0", "96.8", "94.1")),
    "grid_digits": (("", "", ""), ("", "", "")),
}
VARIANTS = (("both", True, True), ("no x-conns", False, True), ("no res-conns", True, False))
NETWORKS = (("CNN x MLP", "cnn_mlp"), ("{CNN x MLP}-LSTM", "cnn_mlp_lstm"))


def main():
    args = _xflow.arguments(__doc__)
    rows, pairs = [], []
    for (name, kind), published in zip(NETWORKS, PUBLISHED[args.data], strict=True):
        for (variant, cross, residual), number in zip(VARIANTS, published, strict=True):
            rows.append(_xflow.row(f"{name}, {variant}", number, kind, cross, residual))
            if variant != "both":
                pairs.append((f"{name}, {variant}", f"{name}, both", ""))
    _xflow.run(5, "V", rows, "CNN x MLP, both", args, pairs)


if __name__ == "__main__":
    main()
