"""Checks of what is fed to a fusion model, and one target spread over its heads."""

import keras
import numpy as np
from keras import ops


def check_inputs(x, inputs):
    """A copy of the dict `x`; an error if a modality is missing or it is no dict.

    Args:
        x: What was given.
        inputs: Dict `{modality: input}`, a model's own; an input is a dict where a modality has
            several. "present" may be missing in `x`.
    """
    modalities = [name for name in inputs if name != "present"]
    if not isinstance(x, dict):
        raise ValueError(
            f"x: expected a dict keyed by modality, {modalities}. Received: {type(x).__name__}"
        )
    missing = [name for name in modalities if name not in x]
    if missing:
        raise ValueError(
            f"x: expected the modalities {modalities}. "
            f"Received: {sorted(map(str, x))}, without {missing}"
        )
    return {**x, **{n: _checked_parts(n, x[n], inputs[n]) for n in modalities}}


def _checked_parts(name, given, inputs):
    """What a modality of several inputs needs, and nothing else."""
    for value in given.values() if isinstance(given, dict) else [given]:
        _check_samples_alike(name, value)
    if not isinstance(inputs, dict):
        return given
    if not isinstance(given, dict) or any(key not in given for key in inputs):
        received = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise ValueError(
            f'x["{name}"]: expected a dict with {sorted(inputs)}. Received: {received}'
        )
    return {key: given[key] for key in inputs}


def _check_samples_alike(name, value):
    """An error where samples have shapes of their own, as sequences of different lengths do."""
    is_uneven = (
        isinstance(value, np.ndarray)
        and value.dtype == "object"
        and value.size > 0
        and isinstance(value.flat[0], (list, tuple, np.ndarray))
    )
    if is_uneven or type(value).__name__ == "RaggedTensor":
        kind = "an array of arrays" if is_uneven else "a RaggedTensor"
        raise ValueError(
            f'x["{name}"]: expected samples of one shape. Received: {kind}. Pad the shorter ones '
            "(keras.utils.pad_sequences), and let a Masking layer or an Embedding with "
            "mask_zero=True leave the padding out"
        )


def check_present(x):
    """An error if a sample lacks all modalities, where the mask is an array or list of numbers."""
    present = x.get("present")
    if keras.ops.is_tensor(present):
        present = keras.ops.convert_to_numpy(present)
    if not isinstance(present, (np.ndarray, list, tuple)):
        return
    table = np.asarray(present)
    odd = table[~np.isin(table, (0, 1))] if table.dtype.kind in "iuf" else table[:0]
    if table.dtype.kind not in "biuf" or odd.size:
        received = odd.flat[0] if odd.size else f"dtype {table.dtype}"
        raise ValueError(f"present: expected values of 0 and 1, or bools. Received: {received}")
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        return  # a mask of another shape is refused where its columns are known
    empty = np.flatnonzero(~table.astype("bool").any(axis=1))
    if len(empty):
        raise ValueError(
            "present: expected every sample to have a modality. Received: zeros only for "
            f"{len(empty)} of {len(table)} samples, the first being number {empty[0]}"
        )


def check_arrays(x, inputs):
    """An error where an array of `x` is not what the input of its name takes.

    Args:
        x: Dict `{modality: array}`, maybe with "present"; only what has a shape is looked at.
        inputs: Dict `{modality: input}`, a model's own.
    """
    counts = {}
    for name, given in x.items():
        parts = given.items() if isinstance(given, dict) else [(None, given)]
        for part, value in parts:
            tensor = inputs[name] if part is None else inputs[name][part]
            label = f'x["{name}"]' + ("" if part is None else f'["{part}"]')
            if value is None and not _is_optional(tensor):
                raise ValueError(f"{label}: expected an array. Received: None")
            shape = getattr(value, "shape", None)
            if shape is None or len(shape) == 0:
                continue
            counts.setdefault(name, shape[0])
            if name != "present":
                _check_array(label, value, tensor)
    rows = counts.pop("present", None)
    if len(set(counts.values())) > 1:
        raise ValueError(f"x: expected equally many samples of each. Received: {counts}")
    if rows not in (None, *counts.values()):
        raise ValueError(
            f"present: expected a row for each of {next(iter(counts.values()))} samples. "
            f"Received: {rows}"
        )


def _is_optional(tensor):
    return getattr(tensor._keras_history.operation, "optional", False)


def _check_array(label, value, tensor):
    wanted, found = tuple(tensor.shape[1:]), tuple(value.shape[1:])
    # Keras adds and takes away a last axis of size 1.
    accepted = [wanted, (*wanted, 1), *([wanted[:-1]] if wanted[-1:] == (1,) else [])]
    if not any(
        len(shape) == len(found)
        and all(None in (w, f) or w == f for w, f in zip(shape, found, strict=True))
        for shape in accepted
    ):
        raise ValueError(
            f"{label}: expected the shape (batch, {', '.join(map(str, wanted))}). "
            f"Received shape: {tuple(value.shape)}"
        )
    if not isinstance(value, np.ndarray) or tensor.dtype == "string":
        return
    if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
        raise ValueError(f"{label}: expected numbers. Received: an array of {value.dtype}")
    if "int" in tensor.dtype and value.dtype.kind == "f":
        broken = value[np.isfinite(value) & (value != np.round(value))]
        if broken.size:
            raise ValueError(
                f"{label}: expected integers, {tensor.dtype}. Received: {broken[0]} in an array "
                f"of {value.dtype}"
            )


def check_targets(y, loss, outputs, count):
    """An error where there is no `y`, or it does not fit the samples or the losses.

    Args:
        y: What was passed to fit or evaluate beside a dict of arrays.
        loss: What was passed to compile.
        outputs: Dict `{head: output}`, a model's own.
        count: Number of samples, or None if it is not known.
    """
    if loss is None:
        return
    if y is None or isinstance(y, (list, tuple, str)):
        raise TypeError(
            "y: expected an array, or a dict keyed by head. Received: "
            f"{'None' if y is None else type(y).__name__}"
        )
    for head, labels in (y if isinstance(y, dict) else {"central": y}).items():
        if head not in outputs or not isinstance(labels, np.ndarray) or labels.ndim == 0:
            continue
        if labels.dtype.kind in "US":
            raise ValueError(f"y: expected numbers. Received: an array of {labels.dtype}")
        if count is not None and len(labels) != count:
            raise ValueError(f"y: expected {count} labels, one a sample. Received: {len(labels)}")
        width = outputs[head].shape[-1]
        head_loss = loss.get(head) if isinstance(loss, dict) else loss
        if len(outputs[head].shape) != 2:
            continue
        if _is_sparse(head_loss) and labels.shape[1:] not in ((), (1,)):
            raise ValueError(
                "y: expected class indices (samples,) with a sparse loss; one-hot labels go with "
                f'"categorical_crossentropy". Received shape: {labels.shape}'
            )
        if _is_one_hot(head_loss) and labels.shape[1:] != (width,):
            raise ValueError(
                f"y: expected one-hot labels (samples, {width}) with categorical_crossentropy; "
                f'class indices go with "sparse_categorical_crossentropy". '
                f"Received shape: {labels.shape}"
            )


def count_samples(x):
    """Number of samples in a dict of inputs."""
    if not isinstance(x, dict) or not x:
        raise ValueError(f"x: expected a dict keyed by modality. Received: {type(x).__name__}")
    return len(first_input(x))


def first_input(x):
    """The first array or tensor of a dict of inputs."""
    while isinstance(x, dict):
        x = next(iter(x.values()))
    return x


def check_labels(y, loss, widths):
    """An error if labels in arrays are no class indices of the heads they are meant for.

    Args:
        y: What was passed to fit or evaluate; only arrays and dicts of arrays are looked at.
        loss: What was passed to compile.
        widths: Dict `{head: number of classes}`.
    """
    if y is None or loss is None:
        return
    targets = y if isinstance(y, dict) else {"central": y}
    for head, labels in targets.items():
        head_loss = loss.get(head) if isinstance(loss, dict) else loss
        if head not in widths or not _is_sparse(head_loss) or not isinstance(labels, np.ndarray):
            continue
        if labels.size == 0 or labels.dtype.kind not in "iuf":
            continue
        low, high = labels.min(), labels.max()
        if not (low >= 0 and high < widths[head]):
            raise ValueError(
                f"y: expected class indices from 0 to {widths[head] - 1} for head {head!r}. "
                f"Received: values from {low} to {high}"
            )


def _is_sparse(loss):
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return "sparse_categorical" in str(name) or name == "SparseCategoricalCrossentropy"


def _is_one_hot(loss):
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return name in ("categorical_crossentropy", "CategoricalCrossentropy")


def check_known(optimizer, losses, metrics):
    """An error for names that Keras does not know, which it would tell in the midst of `fit`.

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
        value: None, a single thing, a list (of metrics), or a dict keyed by head.
        heads: Names of the heads.
        label: Name of the argument, for errors.
        copy_objects: Whether metric objects are copied, one for each head, and single metrics
            put into lists: Keras would share one object and mix the heads' values.
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
