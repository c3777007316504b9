"""JAX only: weights that survive an exception, and batches that divide among devices."""

import keras
import numpy as np

from keras_fusion._keras import count_processes, forget_jax_state, value_of
from keras_fusion.models.fusion_model._inputs import first_input
from keras_fusion.models.fusion_model._text import text_of_data_sets


def run_or_restore(model, method, *args, **kwargs):
    """Runs `method`; on JAX an exception in it would leave the model without its weights.

    There Keras hands the variables' values from step to step and puts them back at the end,
    but not if the first step fails (interrupted while it is compiled, say).

    Args:
        model: `keras.Model`.
        method: Its method `fit`, `evaluate` or `predict`, that of Keras.
        *args, **kwargs: Of the method.
    """
    if keras.backend.backend() != "jax":
        with text_of_data_sets(model):
            return method(*args, **kwargs)
    # Of an earlier train_on_batch: weights may be others now.
    forget_jax_state(model, synced_only=True)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and method.__name__ == "fit" and not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *(optimizer.variables if optimizer is not None else ())]
    values = [value_of(variable) for variable in variables]
    try:
        with text_of_data_sets(model):
            return method(*args, **kwargs)
    except BaseException:
        model.jax_state_sync()
        forget_jax_state(model)
        for variable, value in zip(variables, values, strict=True):
            if value_of(variable) is None and value is not None:
                variable.assign(value)
        raise


def devices_of_a_batch():
    """Among how many devices of this process Keras spreads a batch; 1 without a distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None or keras.backend.backend() != "jax":
        return 1
    mesh = distribution.device_mesh
    axis = getattr(distribution, "batch_dim_name", None) or mesh.axis_names[0]
    return mesh.shape[mesh.axis_names.index(axis)] // count_processes(distribution)


def check_batches(x, batch_size, validation_split=0.0):
    """An error if arrays make a batch that does not divide, where it would be one in Keras."""
    devices = devices_of_a_batch()
    if devices == 1 or not _is_arrays(x):
        return
    samples = len(first_input(x))
    trained = int(samples * (1 - validation_split))
    batch_size = 32 if batch_size is None else batch_size
    if batch_size % devices or trained % devices or (samples - trained) % devices:
        raise ValueError(
            f"x, batch_size: expected numbers of samples that divide among {devices} devices. "
            f"Received: {trained} samples in batches of {batch_size}. Leave out the last ones, "
            "as keras_fusion.datasets.as_pydataset(..., drop_remainder=True) does"
        )


def padded(x):
    """Arrays whose last sample is repeated until they divide, and how many samples there were."""
    devices = devices_of_a_batch()
    if devices == 1 or not _is_arrays(x):
        return x, None
    samples = len(first_input(x))
    rows = np.minimum(np.arange(-(-samples // devices) * devices), samples - 1)
    return keras.tree.map_structure(lambda a: np.asarray(a)[rows], x), samples


def _is_arrays(x):
    return isinstance(x, dict) and hasattr(first_input(x), "shape")
