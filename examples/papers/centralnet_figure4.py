"""CentralNet paper, Fig. 4: errors over the energy and the share ratio of the two modalities.

    KERAS_BACKEND=jax python examples/papers/centralnet_figure4.py
    python examples/papers/centralnet_figure4.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.1.

Energy 0.1, 0.25, 0.5, share ratio 0, 0.1, 0.5, 0.9: CentralNet, the ensemble of one classifier per
modality (trained apart), and, with --all, the sum at layer 2 (Fusion) and at layer 0 with both
unimodal predictions (Fusion+Ensemble), the layers that Table 2 found best at energy 0.5 and share
ratio 0.5; the paper takes the best layer of every cell. The paper draws two lines of this grid
and gives no numbers: CentralNet is best everywhere but at share ratio 0. The protocol is that of
`centralnet_table2.py`. Beside the table a heat map is written, with CentralNet's errors minus
those of the ensemble.

--quick: 2,560 training pairs, 5,000 test digits (the errors are times 2), images of 7x7 (means of
4x4 pixels), 5 epochs, 3 seeds.
Data: `mnist.npz` in KERAS_FUSION_DATA or --data-dir, else Keras' download.
"""

import functools
import itertools

import _options
import _table
import numpy as np
from _centralnet import OPTIONS, PAIR, errors, mm_mnist, networks, scores

import keras_fusion as kf

ENERGIES, RATIOS = (0.1, 0.25, 0.5), (0.0, 0.1, 0.5, 0.9)
QUICK = {"epochs": 5, "seeds": 3, "samples": 2560, "test": 5000, "size": 7}
ALL = ("--all", False, "Fusion and Fusion+Ensemble too")
# Method, arguments, heads that are trained apart.
METHODS = {
    "CentralNet": ("centralnet", {"kernel_size": 5}, ()),
    "Ensemble": ("late_mean", {}, PAIR),
    "Fusion Sum": ("sum", {"level": 2, "kernel_size": 5}, ()),
    "Fusion+Ensemble Sum": ("fusion_ensemble", {"kernel_size": 5}, ()),
}


def row(name, energy, ratio, size):
    method, arguments, apart = METHODS[name]

    def build():
        return kf.build(method, networks(PAIR, size), **arguments)

    def run(data, seeds, args, fold, backup_dir):
        found = scores(build, data, seeds, args, backup_dir, 0.01, apart)
        return [{"errors": int(value)} for value in errors(found, "central", args.test)]

    return _table.Row(
        f"{name}, energy {energy}, share {ratio}", run, part=lambda data, _: data(energy, ratio)
    )


def draw(table, args, names):
    """CentralNet's errors, the ensemble's, and the difference, over energy and share ratio."""
    grids = {name: {} for name in names}
    runs = _table.finished(table, args)
    for name, energy, ratio in itertools.product(names, ENERGIES, RATIOS):
        own = f"{name}, energy {energy}, share {ratio}"
        found = [run["scores"]["errors"] for run in runs if run["method"] == own]
        if found:
            grids[name][energy, ratio] = np.mean(found)
    central, other = grids["CentralNet"], grids["Ensemble"]
    both = [cell for cell in central if cell in other]
    grids["CentralNet - Ensemble"] = {cell: central[cell] - other[cell] for cell in both}
    path, title = _options.file(table.name, args, ".png"), _options.title(table.title, args)
    grids = {f"{name}: errors": grid for name, grid in grids.items() if grid}
    kf.plots.plot_score_grid(grids, "energy", "share ratio", path, title)
    print(f"Written: {path}")


def main():
    args = _options.arguments(__doc__, epochs=100, seeds=64, quick=QUICK, options=(*OPTIONS, ALL))
    names = list(METHODS)[: None if args.all else 2]
    for about in (args.protocol, *args.changes.values()):
        about.pop("all", None)  # more rows, each trained as before
    cells = [(name, *at) for at in itertools.product(ENERGIES, RATIOS) for name in names]
    table = _table.Table(
        name="centralnet_figure4",
        title="CentralNet, Fig. 4: errors in 10,000 test digits of Multimodal MNIST",
        rows=[row(*cell, args.size) for cell in cells],
        metrics={"errors": "errors"},
        reference="CentralNet, energy 0.5, share 0.5",
    )
    # The data of one cell at a time stay in memory.
    data = functools.lru_cache(1)(lambda energy, ratio: mm_mnist(args, energy, ratio))
    _table.run(table, lambda: data, args)
    draw(table, args, names)


if __name__ == "__main__":
    main()
