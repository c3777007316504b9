"""XFlow, Table VI: the {CNN x MLP}-LSTM on the fixed splits of Ngiam et al. (2011).

    python examples/papers/xflow_table6.py --data avletters
    python examples/papers/xflow_table6.py --data grid_digits --quick

AVletters: the third time that each person says each letter is the test part, so that its people
are known from training. CUAVE: people of odd numbers are the test part. The paper's first row,
CorrRNN (83.4 and 95.9 %), is the published result of another method, which is not in this library.
--data grid_digits takes the split of the file.
"""

import _table
import _xflow

PUBLISHED = {"avletters": ("91.5", "94.6"), "cuave": ("96.1", "96.9"), "grid_digits": ("", "")}
NAME = "{CNN x MLP}-LSTM"


def main():
    args = _xflow.arguments(__doc__, tuple(PUBLISHED), folds=1)
    baseline, xflow = PUBLISHED[args.data]
    connected = {"cross": True, "residual": True}
    table = _table.Table(
        name=f"xflow_table6_{args.data}",
        title=f"XFlow, Table VI: accuracy (%) on {args.data}",
        rows=[
            _xflow.row(f"{NAME}, baseline", baseline, "cnn_mlp_lstm", fold="holdout"),
            _xflow.row(f"{NAME}, XFlow", xflow, "cnn_mlp_lstm", **connected, fold="holdout"),
        ],
        metrics={"accuracy": "accuracy"},
        reference=f"{NAME}, baseline",
        note=_xflow.note(args, "CorrRNN, published: AVletters 83.4, CUAVE 95.9."),
    )
    _table.run(table, lambda: _xflow.folds(args), args)


if __name__ == "__main__":
    main()
