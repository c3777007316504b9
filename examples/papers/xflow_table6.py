"""XFlow, Table VI: the {CNN x MLP}-LSTM on the fixed splits of Ngiam et al. (2011).

    python examples/papers/xflow_table6.py --data avletters
    python examples/papers/xflow_table6.py --data grid_digits --quick

AVletters: the third time that each person says each letter is the test part, so that its people
are known from training. CUAVE: people of odd numbers are the test part. The paper's first row,
CorrRNN (83.4 and 95.9 %), is the published result of another method, which is not in this library.
--data grid_digits takes the split of the file.
"""

import _xflow

PUBLISHED = {"avletters": ("91.5", "94.6"), "cuave": ("96.1", "96.9"), "grid_digits": ("", "")}
NAME = "{CNN x MLP}-LSTM"


def main():
    args = _xflow.arguments(__doc__, tuple(PUBLISHED), folds=1)
    baseline, xflow = PUBLISHED[args.data]
    connected = {"cross": True, "residual": True}
    rows = [
        _xflow.row(f"{NAME}, baseline", baseline, "cnn_mlp_lstm", fold="holdout"),
        _xflow.row(f"{NAME}, XFlow", xflow, "cnn_mlp_lstm", **connected, fold="holdout"),
    ]
    said = "CorrRNN, published: AVletters 83.4, CUAVE 95.9. "
    _xflow.run(6, "VI", rows, f"{NAME}, baseline", args, note=said)


if __name__ == "__main__":
    main()
