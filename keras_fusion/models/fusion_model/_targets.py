"""One target for all heads: checks of it and of losses, and its spread over the heads."""

import keras
import numpy as np
from keras import ops

from keras_fusion.models.fusion_model._inputs import first_input


def check_targets(y, loss, outputs, x):
    """An error where there is no `y`, or it does not fit the samples or the losses.

    Args:
        y: What was passed to fit or evaluate beside `x`; only arrays and dicts of arrays are
            looked at.
        loss: What was passed to compile.
        outputs: Dict `{head: output}`, a model's own.
        x: Dict `{modality: array}`.
    """
    if loss is None:
        return
    if y is None or isinstance(y, (list, tuple, str)):
        raise TypeError(
            "y: expected an array, or a dict keyed by head. Received: "
            f"{'None' if y is None else type(y).__name__}"
        )
    shape = getattr(first_input(x), "shape", None)
    count = shape[0] if shape else None
    for head, labels in (y if isinstance(y, dict) else {"central": y}).items():
        if head not in outputs or not isinstance(labels, np.ndarray) or labels.ndim == 0:
            continue
        if labels.dtype.kind in "US":
            raise ValueError(f"y: expected numbers. Received: an array of {labels.dtype}")
        if count is not None and len(labels) != count:
            raise ValueError(f"y: expected {count} labels, one a sample. Received: {len(labels)}")
        width = outputs[head].shape[-1]
        head_loss = loss.get(head) if isinstance(loss, dict) else loss
        is_vector = len(outputs[head].shape) == 2
        if is_vector and _is_sparse(head_loss) and labels.shape[1:] not in ((), (1,)):
            raise ValueError(
                "y: expected class indices (samples,) with a sparse loss; one-hot labels go with "
                f'"categorical_crossentropy". Received shape: {labels.shape}'
            )
        if is_vector and _is_one_hot(head_loss) and labels.shape[1:] != (width,):
            raise ValueError(
                f"y: expected one-hot labels (samples, {width}) with categorical_crossentropy; "
                f'class indices go with "sparse_categorical_crossentropy". '
                f"Received shape: {labels.shape}"
            )
        if _is_sparse(head_loss) and labels.size and labels.dtype.kind in "iuf":
            low, high = labels.min(), labels.max()
            if not (low >= 0 and high < width):
                raise ValueError(
                    f"y: expected class indices from 0 to {width - 1} for head {head!r}. "
                    f"Received: values from {low} to {high}"
                )


def _is_sparse(loss):
    name = _name(loss)
    return "sparse_categorical" in name or name == "SparseCategoricalCrossentropy"


def _is_one_hot(loss):
    return _name(loss) in ("categorical_crossentropy", "CategoricalCrossentropy")


def _name(loss):
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "name", getattr(loss, "__name__", "")))


def check_known(optimizer, losses, metrics):
    """An error for names that Keras does not know, which would fail in the midst of `fit`.

    Args:
        optimizer: As `compile` takes it.
        losses: Dict `{head: loss}` or None.
        metrics: Dict `{label: {head: list of metrics} or None}`.
    """
    given = [("optimizer", optimizer, keras.optimizers.get)]
    given += [("loss", loss, keras.losses.get) for loss in (losses or {}).values()]
    for label, of_heads in metrics.items():
        for metric in (m for found in (of_heads or {}).values() for m in found or []):
            if metric not in ("accuracy", "acc", "crossentropy", "ce"):
                given.append((label, metric, keras.metrics.get))
    for label, name, get in given:
        if isinstance(name, str):
            try:
                get(name)
            except ValueError:
                raise ValueError(
                    f"{label}: expected a name that Keras knows. Received: {name!r}"
                ) from None


def per_head(value, heads, label, copy_objects=False):
    """`{head: value}` for every head, from one value for all of them or a dict for some.

    Args:
        value: `None`, a single thing, a list (of metrics), or a dict keyed by head.
        heads: List of strings, names of the heads.
        label: String, name of the argument, for errors.
        copy_objects: Boolean, whether metric objects are copied, one for each head, and single
            metrics put into lists: Keras would share one object and mix the heads' values. Defaults
            to `False`.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        unknown = [head for head in value if head not in heads]
        if unknown:
            raise ValueError(f"{label}: expected the heads {heads}. Received: {list(value)}")
        spread = {head: value.get(head) for head in heads}
    elif isinstance(value, (list, tuple)) and not copy_objects:
        raise ValueError(
            f"{label}: expected one for all heads or a dict keyed by {heads}. Received: {value!r}"
        )
    else:
        spread = {head: value for head in heads}
    if not copy_objects:
        return spread
    return {head: _metrics(metrics) for head, metrics in spread.items()}


def _metrics(metrics):
    if metrics is None:
        return None
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return [
        type(m).from_config(m.get_config()) if isinstance(m, keras.metrics.Metric) else m
        for m in metrics
    ]


def spread_targets(y, y_pred):
    """`{head: y}` for every head: a plain `y` serves all of them."""
    if y is None or not isinstance(y_pred, dict):
        return y
    if not isinstance(y, dict):
        return {head: y for head in y_pred}
    missing = [head for head in y_pred if head not in y]
    if missing:
        raise ValueError(
            f"y: expected one array, or a dict with the heads {sorted(y_pred)}. "
            f"Received: {sorted(y)}, without {missing}"
        )
    return {head: y[head] for head in y_pred}


def head_sample_weights(sample_weight, y_pred, present, columns):
    """Sample weights per head: those given, times whether the head's modality is present.

    Args:
        sample_weight: None, one array for all heads, or a dict `{head: array}`.
        y_pred: Dict `{head: prediction}`.
        present: `(batch, modalities)` or None.
        columns: The modality of each of its columns.
    """
    if not isinstance(y_pred, dict) or (sample_weight is None and present is None):
        return sample_weight
    if isinstance(sample_weight, dict):
        unknown = [head for head in sample_weight if head not in y_pred]
        if unknown:
            raise ValueError(
                f"sample_weight: expected the heads {sorted(y_pred)}. Received: {sorted(unknown)}"
            )
        weights = {head: sample_weight.get(head) for head in y_pred}
    else:
        weights = {head: sample_weight for head in y_pred}
    if present is not None:
        present = ops.cast(present, "float32")
        for k, modality in enumerate(columns):
            if modality in weights:
                here, given = present[:, k], weights[modality]
                weights[modality] = here if given is None else here * ops.cast(given, "float32")
    if any(weight is None for weight in weights.values()):
        count = next(ops.shape(t)[0] for t in y_pred.values())
        weights = {h: ops.ones((count,)) if w is None else w for h, w in weights.items()}
    return weights


def loss_weights_of(betas, heads):
    """`{head: weight}` from `unimodal_loss_weights`, a float or `{modality: float}`.

    "central" weighs 1, and so does a modality that the dict leaves out.
    """
    modalities = [head for head in heads if head != "central"]
    if not isinstance(betas, dict):
        if betas is not None:
            _check_beta(betas, modalities[0] if modalities else "central")
        betas = dict.fromkeys(modalities, betas)
    elif set(betas) - set(modalities):
        raise ValueError(
            f"unimodal_loss_weights: expected the modalities {modalities}. "
            f"Received: {sorted(betas)}"
        )
    for head, beta in betas.items():
        _check_beta(beta, head)
    return {head: float(betas.get(head, 1.0)) for head in heads}


def _check_beta(beta, head):
    if isinstance(beta, bool) or not isinstance(beta, (int, float)) or not beta >= 0:
        raise ValueError(
            "unimodal_loss_weights: expected floats >= 0, one or a dict. "
            f"Received: {beta!r} for {head!r}"
        )
