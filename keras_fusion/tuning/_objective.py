"""The objective of a search: its name and direction, checked before the first trial."""

import keras
import keras_tuner
import numpy as np

_CENTRAL = "val_central_"
# Words in the names of metrics. Errors first: "mean_absolute_error" is none of the others, and
# "brier_score" is one.
_SMALLER = {
    "loss", "error", "errors", "mse", "mae", "mape", "msle", "crossentropy", "divergence", "brier",
}  # fmt: skip
_LARGER = {"accuracy", "acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "score"}


def as_objective(objective, metrics):
    """A `keras_tuner.Objective` with its direction.

    Args:
        objective: Optional string or `Objective`. `None`: the central head's first metric on the
            validation data, or its loss where there are no metrics. A string: its direction is read
            off its name.
        metrics: What the models are compiled with.
    """
    if isinstance(objective, keras_tuner.Objective):
        return objective
    if objective is None:
        objective = _CENTRAL + _first_name(metrics)
    elif not isinstance(objective, str):
        raise TypeError(
            "objective: expected None, a string or a keras_tuner.Objective. "
            f"Received: {objective!r}"
        )
    return keras_tuner.Objective(objective, _direction(objective))


def _first_name(metrics):
    if isinstance(metrics, dict):
        metrics = metrics.get("central")
    first = metrics[0] if isinstance(metrics, (list, tuple)) and metrics else metrics
    if first is None or first == []:
        return "loss"
    return first if isinstance(first, str) else getattr(first, "name", None) or first.__name__


def _direction(name):
    words = name.lower().split("_")
    if _SMALLER & set(words):
        return "min"
    if _LARGER & set(words):
        return "max"
    raise ValueError(
        f'objective: expected keras_tuner.Objective({name!r}, "max") or "min", as the name does '
        f"not say whether more is better. Received: {name!r}"
    )


def check_validation(objective, arguments):
    """An error if a search on validation data gets none."""
    given = arguments.get("validation_data") is not None or arguments.get("validation_split")
    if objective.name.startswith("val_") and not given:
        raise ValueError(
            f"search: expected validation_data or validation_split, for the objective "
            f"{objective.name!r}. Received: neither"
        )


def check_logged(objective, model, y):
    """An error if `fit` will log no value under the objective's name; nothing is trained.

    Args:
        objective: `Objective`.
        model: Compiled `FusionModel`.
        y: Targets; anything but arrays and dicts of arrays is not looked at.
    """
    names = _logged_names(model, y)
    if names:
        check_name(objective, [*names, *(f"val_{name}" for name in names)])


def check_name(objective, names):
    """An error if the objective's name is not among those that are logged."""
    if objective.name in names:
        return
    own = [name for name in names if name.startswith(_CENTRAL)]
    raise keras_tuner.errors.FatalValueError(
        f"objective: expected one of {sorted(names)}; of the central prediction on validation "
        f"data: {own}. Received: {objective.name!r}"
    )


def _logged_names(model, y):
    targets = y if isinstance(y, dict) else {"": y}
    shapes = {head: tuple(tensor.shape[1:]) for head, tensor in model.output.items()}
    if not all(hasattr(t, "shape") and hasattr(t, "dtype") for t in targets.values()):
        return []
    if any(None in shape for shape in shapes.values()):
        return []
    first = {name: np.asarray(target[:2]) for name, target in targets.items()}
    y = first if isinstance(y, dict) else first[""]
    rows = len(next(iter(first.values())))
    predicted = {
        head: keras.ops.full((rows, *shape), 1 / shape[-1]) for head, shape in shapes.items()
    }
    model.compute_loss({}, y, predicted)
    return sorted({"loss", *model.compute_metrics({}, y, predicted)})
