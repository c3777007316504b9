"""CentralNet paper, Fig. 4: errors over the energy and the share ratio of the two modalities.

    KERAS_BACKEND=jax python examples/papers/centralnet_figure4.py
    python examples/papers/centralnet_figure4.py --protocol short
    python examples/papers/centralnet_figure4.py --quick
    python examples/papers/centralnet_figure4.py --depths --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.1.

Energy 0.1, 0.25, 0.5, share ratio 0, 0.1, 0.5, 0.9: CentralNet, the ensemble of one classifier per
modality (trained apart), and, with --all, the sum at layer 2 (Fusion) and at layer 0 with both
unimodal predictions (Fusion+Ensemble), the layers that Table 2 found best at energy 0.5 and share
ratio 0.5. The paper takes the best layer of every cell: with --depths there are sum, subtraction
and product at each of LeNet5's five layers, 0 (the inputs) to 4 (the prediction), and the heat map
has the best of every cell. It is chosen by the test errors that are then reported, as in the paper,
which flatters it; CentralNet has no such choice. The paper draws two lines of this grid and gives
no numbers: CentralNet is best everywhere but at share ratio 0. The protocol is that of
`centralnet_table2.py`. Beside the table a heat map is written, with CentralNet's errors minus those
of the ensemble.

--quick: 2,560 training pairs, 5,000 test digits (the errors are times 2), images of 7x7 (means of
4x4 pixels), 5 epochs, 3 seeds.
Data: `mnist.npz` in KERAS_FUSION_DATA or --data-dir, else Keras' download.
"""

import functools
import itertools

import _options
import _table
import numpy as np
from _centralnet import OPTIONS, PAIR, SHORT, errors, mm_mnist, networks, scores

import keras_fusion as kf

ENERGIES, RATIOS = (0.1, 0.25, 0.5), (0.0, 0.1, 0.5, 0.9)
QUICK = {"epochs": 5, "seeds": 3, "samples": 2560, "test": 5000, "size": 7}
ALL = ("--all", False, "Fusion and Fusion+Ensemble too")
DEPTHS = ("--depths", False, "Fusion at every layer, by sum, subtraction and product")
# Method, arguments, heads that are trained apart.
METHODS = {
    "CentralNet": ("centralnet", {"kernel_size": 5}, ()),
    "Ensemble": ("late_mean", {}, PAIR),
    "Fusion Sum": ("sum", {"level": 2, "kernel_size": 5}, ()),
    "Fusion+Ensemble Sum": ("fusion_ensemble", {"kernel_size": 5}, ()),
}
# By operation, the rows of its five layers.
FUSIONS = {
    operation: {
        f"Fusion {operation.capitalize()}, layer {level}": (
            operation,
            {"level": level, "kernel_size": 5},
            (),
        )
        for level in range(5)
    }
    for operation in ("sum", "subtract", "product")
}


def known():
    """`{row: (method, arguments, heads trained apart)}`, of all rows."""
    return {name: of for rows in (METHODS, *FUSIONS.values()) for name, of in rows.items()}


def row(name, energy, ratio, size):
    method, arguments, apart = known()[name]

    def build():
        return kf.build(method, networks(PAIR, size), **arguments)

    def run(data, seeds, args, fold, backup_dir):
        found = scores(build, data, seeds, args, backup_dir, 0.01, apart)
        return [{"errors": int(value)} for value in errors(found, "central", args.test)]

    return _table.Row(
        f"{name}, energy {energy}, share {ratio}", run, part=lambda data, _: data(energy, ratio)
    )


def draw(table, args, names):
    """A heat map of every method over energy and share ratio, and of the difference of the first
    two; of the fusions at every layer the best of each cell, which the end of the report names."""
    grids = {name: {} for name in names}
    runs = _table.finished(table, args)
    for name, energy, ratio in itertools.product(names, ENERGIES, RATIOS):
        own = f"{name}, energy {energy}, share {ratio}"
        found = [run["scores"]["errors"] for run in runs if run["method"] == own]
        if found:
            grids[name][energy, ratio] = np.mean(found)
    layers = {}
    for operation, rows in FUSIONS.items():
        tried = [grids.pop(name, {}) for name in rows]
        name = f"Fusion {operation.capitalize()}, best layer"
        best = {
            cell: min((grid[cell], i) for i, grid in enumerate(tried) if cell in grid)
            for cell in set().union(*tried)
        }
        grids[name] = {cell: errors for cell, (errors, _) in best.items()}
        layers[name] = {cell: f" ({layer})" for cell, (_, layer) in best.items()}
    grids = {name: grid for name, grid in grids.items() if grid}
    if args.depths:
        best_layers(grids, layers, _options.file(table.name, args, ".md"))
    central, other = (grids.get(name, {}) for name in ("CentralNet", "Ensemble"))
    both = [cell for cell in central if cell in other]
    if both:
        difference = {cell: central[cell] - other[cell] for cell in both}
        grids = {**grids, "CentralNet - Ensemble": difference}
    path, title = _options.file(table.name, args, ".png"), _options.title(table.title, args)
    grids = {f"{name}: errors": grid for name, grid in grids.items()}
    kf.plots.plot_score_grid(grids, "energy", "share ratio", path, title)
    print(f"Written: {path}")


def best_layers(grids, layers, path):
    """Adds the errors of every cell to the report, of the fusions with their best layer."""
    cells = sorted(set().union(*grids.values()))
    lines = ["## Errors by cell, mean over the seeds; in brackets the best layer", ""]
    lines += [f"| energy | share ratio | {' | '.join(grids)} |", "| ---: " * (2 + len(grids)) + "|"]
    for cell in cells:
        found = [
            f"{grid[cell]:.0f}{layers.get(name, {}).get(cell, '')}" if cell in grid else ""
            for name, grid in grids.items()
        ]
        lines.append(f"| {cell[0]} | {cell[1]} | {' | '.join(found)} |")
    text = "\n".join(lines)
    print(text)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def main():
    args = _options.arguments(
        __doc__,
        epochs=100,
        seeds=64,
        quick=QUICK,
        short={**SHORT, "seeds": 1},
        options=(*OPTIONS, ALL, DEPTHS),
    )
    names = list(METHODS)[: None if args.all else 2]
    if args.depths:
        names += [name for rows in FUSIONS.values() for name in rows]
    for about in (args.protocol, *args.changes.values()):
        for option in ("all", "depths"):
            about.pop(option, None)  # more rows, each trained as before
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
