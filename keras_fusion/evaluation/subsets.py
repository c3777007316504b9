"""Scores of a model on each subset of its modalities."""

from itertools import combinations

import keras
import numpy as np

from keras_fusion.models import FusionModel


class ModalitySubsets(dict):
    """Scores per subset of the modalities; printed it is a table. `modality_subsets` makes it.

    A dictionary `{(modality, ...): {"samples": int, "loss": float, metric: float}}`, small subsets
    first, the modalities of a key in the order of their names.

    Example:

    >>> import keras_fusion as kf
    >>> print(kf.evaluation.ModalitySubsets({("a",): {"samples": 2, "accuracy": 0.5}}))
    modalities  samples  accuracy
    a                 2    0.5000
    """

    def __str__(self):
        columns = list(dict.fromkeys(name for scores in self.values() for name in scores))
        rows = [["modalities", *columns]]
        for names, scores in self.items():
            cells = [scores.get(column, float("nan")) for column in columns]
            cells = [str(c) if isinstance(c, int) else f"{c:.4f}" for c in cells]
            rows.append([" + ".join(names), *cells])
        wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]).rstrip()
            for row in rows
        )


def modality_subsets(model, x, y, batch_size=None, sample_weight=None):
    """Scores a model on all 2^n - 1 subsets of its n modalities.

    Use it to learn what each modality adds, and what a prediction is worth when some are missing.
    The modalities outside a subset are absent for every sample. The scores are those of the
    central prediction, with the loss and the metrics that the model was compiled with.

    Args:
        model: Compiled `FusionModel`, built with `missing_modalities=True`.
        x: Dictionary of arrays, as for `evaluate`. With a mask "present", a subset is scored on the
            samples that have all of its modalities; scores of a subset that no sample has are NaN.
        y: Array of targets, or a dictionary `{head: array}`.
        batch_size: Optional positive integer, as for `evaluate`. Defaults to `None`.
        sample_weight: Optional array `(samples,)`, as for `evaluate`. Defaults to `None`.

    Returns:
        `ModalitySubsets`, a dictionary `{(modality, ...): {"samples": int, "loss": float, ...}}`.

    Raises:
        TypeError: not a fusion model, or `x` is no dict of arrays.
        ValueError: a model that was built without missing modalities, or is not compiled with a
            loss or metrics.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)}
    >>> model = kf.build_gmu(nets, missing_modalities=True)
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = {"image": np.zeros((8, 4)), "sound": np.zeros((8, 6))}, np.arange(8)
    >>> scores = kf.evaluation.modality_subsets(model, x, y)
    >>> list(scores)
    [('image',), ('sound',), ('image', 'sound')]
    >>> sorted(scores["image", "sound"])
    ['accuracy', 'loss', 'samples']
    """
    _check(model, x)
    names = sorted(model.modalities)
    arrays = {name: x[name] for name in model.input if name in x and name != "present"}
    count = len(keras.tree.flatten(arrays)[0])
    has = np.ones((count, len(names)), "bool")
    if "present" in x:
        has = np.asarray(x["present"]).astype("bool")
    found = ModalitySubsets()
    for size in range(1, len(names) + 1):
        for columns in combinations(range(len(names)), size):
            rows = has[:, columns].all(axis=1)
            present = np.zeros((int(rows.sum()), len(names)), "float32")
            present[:, columns] = 1
            scores = {}
            if len(present):
                part, targets, weights = keras.tree.map_structure(
                    lambda array, rows=rows: _rows(array, rows), (arrays, y, sample_weight)
                )
                scores = model.evaluate(
                    {**part, "present": present},
                    targets,
                    batch_size=batch_size,
                    sample_weight=weights,
                    verbose=0,
                    return_dict=True,
                )
            found[tuple(names[k] for k in columns)] = {
                "samples": len(present),
                **{
                    name.removeprefix("central_"): float(score)
                    for name, score in scores.items()
                    if name.startswith("central_")
                },
            }
    return found


def _rows(array, rows):
    return array if array is None or rows.all() else np.asarray(array)[rows]


def _check(model, x):
    if not isinstance(model, FusionModel):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    if not model.has_present:
        raise ValueError(
            "model: expected one built with missing_modalities=True. Received: "
            f'"{model.name}", which takes no mask'
        )
    if not model.compiled:
        raise ValueError(
            f"model: expected a compiled model, whose loss and metrics are scored. Received: "
            f'"{model.name}", not compiled'
        )
    if not isinstance(x, dict):
        raise TypeError(f"x: expected a dict of arrays. Received: {type(x).__name__}")
