"""Weights of samples, of classes and of heads: checks, and their spread over the heads."""

import numpy as np
from keras import ops

from keras_fusion._arrays import as_array, check_finite
from keras_fusion._checks import is_number
from keras_fusion.models.fusion_model._labels import alike, keras_name


def check_class_weight(class_weight, y, losses, outputs):
    """An error where Keras would leave out weights of classes, or take others, without a word.

    Args:
        class_weight: As for `fit`.
        y: The targets, if they are arrays.
        losses: Dict `{head: loss}`, or `None`.
        outputs: Dict `{head: output}`, a model's own.
    """
    if class_weight is None:
        return
    if not isinstance(class_weight, dict):
        raise TypeError(
            "class_weight: expected a dict {class index: weight}. "
            f"Received: {type(class_weight).__name__}"
        )
    for key, weight in class_weight.items():
        if not is_number(key) or key != int(key):
            raise ValueError(
                "class_weight: expected class indices, which are integers, as keys; they count "
                f"for every head. Received: {key!r}"
            )
        if isinstance(weight, (dict, str, bool)) or not np.isscalar(weight) or not weight >= 0:
            raise ValueError(
                f"class_weight: expected floats >= 0. Received: {weight!r} for class {key}"
            )
        if np.isinf(weight):
            raise ValueError(
                f"class_weight: expected finite floats. Received: {weight!r} for class {key}"
            )
    if isinstance(y, dict):
        raise ValueError(
            "class_weight: expected y to be one array, as the classes are those of all heads. "
            f"Received: a dict with {sorted(y)}"
        )
    for head, loss in (losses or {}).items():
        if loss is not None and len(outputs[head].shape) > 2:
            raise ValueError(
                "class_weight: expected one class a sample, as in Keras. Received: head "
                f"{head!r} predicts one for every step or place, of which sample_weight= says it"
            )
        name, width = keras_name(loss), outputs[head].shape[-1]
        is_binary = width == 1 and "binary" in (name or "")
        if name is None or not (is_binary or "categorical" in name):
            continue
        classes = 2 if is_binary else width
        unknown = sorted(key for key in class_weight if not 0 <= key < classes)
        if unknown:
            raise ValueError(
                f"class_weight: expected classes from 0 to {classes - 1} for head {head!r}. "
                f"Received: {unknown}"
            )
    labels = as_array(y)
    if labels is None or labels.dtype.kind not in "iuf":
        return
    if labels.ndim > 1 and labels.shape[-1] != 1:
        if (labels < 0).any() or not np.allclose(labels.sum(axis=-1), 1, atol=1e-3):
            raise ValueError(
                "class_weight: expected one class a sample. Received: targets of which Keras "
                "would take the largest; sample_weight= says it of each sample"
            )
    elif (labels != np.round(labels)).any():
        raise ValueError(
            "class_weight: expected class indices. Received: targets that Keras would round"
        )


def spread_weights(sample_weight, y, outputs, samples):
    """`sample_weight` as Keras takes it beside this `y`: for every head where `y` is a dict.

    Args:
        sample_weight: As for `fit` with arrays.
        y: Array, or dict of arrays.
        outputs: Dict `{head: output}`, a model's own.
        samples: How many there are.
    """
    if sample_weight is None:
        return None
    given = sample_weight if isinstance(sample_weight, dict) else {None: sample_weight}
    _check_heads(given, list(outputs))
    for head, weights in given.items():
        label = "sample_weight" if head is None else f'sample_weight["{head}"]'
        if weights is None and head is not None:
            continue
        values = as_array(weights)
        if values is None:
            raise TypeError(
                f"{label}: expected an array (samples,). Received: {type(weights).__name__}"
            )
        places = outputs["central" if head is None else head].shape[1:-1]
        if values.shape not in ((samples,), (samples, 1)) and not alike(
            values.shape, (samples, *places)
        ):
            own = f", or ({samples}, {', '.join(map(str, places))}), one a place" if places else ""
            raise ValueError(
                f"{label}: expected the shape ({samples},), one weight a sample{own}. "
                f"Received shape: {values.shape}"
            )
        if values.dtype.kind not in "biuf" and values.dtype.name != "bfloat16":
            raise ValueError(f"{label}: expected numbers. Received: an array of {values.dtype}")
        check_finite(label, values)
    if not isinstance(sample_weight, dict):
        return sample_weight
    if not isinstance(y, dict):
        return {head: weights for head, weights in given.items() if weights is not None}
    ones = np.ones(samples, "float32")
    return {head: ones if given.get(head) is None else given[head] for head in y}


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
        _check_heads(sample_weight, list(y_pred))
        weights = {head: sample_weight.get(head) for head in y_pred}
    else:
        weights = {head: sample_weight for head in y_pred}
    if present is not None:
        present = ops.cast(present, "float32")
        for k, modality in enumerate(columns):
            if modality in weights:
                here, given = present[:, k], weights[modality]
                if given is not None:
                    given = ops.cast(given, "float32")
                    # (samples, 1) too, as Keras takes it.
                    here = ops.reshape(here, (-1,) + (1,) * (len(given.shape) - 1)) * given
                weights[modality] = here
    if any(weight is None for weight in weights.values()):
        count = next(ops.shape(t)[0] for t in y_pred.values())
        weights = {h: ops.ones((count,)) if w is None else w for h, w in weights.items()}
    return {head: _per_place(weight, y_pred[head]) for head, weight in weights.items()}


def _per_place(weight, predicted):
    """Weights of samples for every step or place, where Keras would multiply other axes."""
    rank = len(predicted.shape) - 1
    if rank < 2 or len(weight.shape) > rank:
        return weight
    weight = ops.cast(weight, "float32")
    if len(weight.shape) < rank:
        weight = ops.reshape(weight, (-1,) + (1,) * (rank - 1))
    return weight * ops.ones_like(predicted[..., 0], dtype="float32")


def _check_heads(given, heads):
    unknown = [head for head in given if head is not None and head not in heads]
    if unknown:
        raise ValueError(
            f"sample_weight: expected the heads {sorted(heads)}. Received: {sorted(unknown)}"
        )


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
    if not is_number(beta) or not 0 <= beta < float("inf"):
        raise ValueError(
            "unimodal_loss_weights: expected floats >= 0, one or a dict. "
            f"Received: {beta!r} for {head!r}"
        )


def weights_by_head(loss_weights, heads):
    """Keras' `loss_weights` as `{head: weight}`; heads that a dict leaves out weigh 1.

    Args:
        loss_weights: Dict `{head: float}`, or a float if there is one head.
        heads: List of strings.
    """
    if not isinstance(loss_weights, dict):
        if len(heads) > 1 or not is_number(loss_weights):
            raise ValueError(
                f"loss_weights: expected a dict with some of the heads {heads}. "
                f"Received: {loss_weights!r}"
            )
        loss_weights = {heads[0]: loss_weights}
    unknown = [head for head in loss_weights if head not in heads]
    if unknown:
        raise ValueError(f"loss_weights: expected the heads {heads}. Received: {unknown}")
    for head, weight in loss_weights.items():
        if not is_number(weight) or not np.isfinite(weight):
            raise ValueError(
                f"loss_weights: expected finite floats. Received: {weight!r} for {head!r}"
            )
    return {head: float(loss_weights.get(head, 1.0)) for head in heads}
