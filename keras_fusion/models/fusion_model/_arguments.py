"""Checks of what `compile` and `fit` are given beside the data, before anything is trained."""

import keras

from keras_fusion._checks import check_int, is_number


def check_known(optimizer, losses, metrics):
    """An error for what Keras does not know, which would fail in the midst of `fit`.

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
    for label, value, get in given:
        try:
            get(value)
        except (ValueError, TypeError):
            raise (ValueError if isinstance(value, str) else TypeError)(
                f"{label}: expected a name that Keras knows, or an object of its kind. "
                f"Received: {value!r}"
            ) from None


def check_fit(
    batch_size,
    epochs,
    validation_split,
    initial_epoch,
    steps_per_epoch,
    validation_steps,
    validation_batch_size,
    validation_freq,
):
    """An error for numbers with which `fit` trains nothing, or fails after the first epoch."""
    counts = {
        "batch_size": batch_size,
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size,
    }
    for label, value in counts.items():
        if value is not None:
            check_int(label, value, 1)
    check_int("epochs", epochs, 0)
    check_int("initial_epoch", initial_epoch, 0)
    for freq in validation_freq if isinstance(validation_freq, list) else [validation_freq]:
        check_int("validation_freq", freq, 1)
    if not is_number(validation_split):
        raise TypeError(f"validation_split: expected a float. Received: {validation_split!r}")
    if not 0 <= validation_split < 1:
        raise ValueError(
            f"validation_split: expected a float in [0, 1). Received: {validation_split!r}"
        )
