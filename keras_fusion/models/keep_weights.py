"""JAX only: an exception in fit, evaluate or predict leaves a model its weights."""

import keras


def keep_weights(model, verb, *args, **kwargs):
    """Runs `verb`; on JAX an exception in it would leave the model without its weights.

    There Keras hands the variables' values from step to step and puts them back at the end,
    but not if the first step fails (interrupted while it is compiled, say).

    Args:
        model: `keras.Model`.
        verb: Its method `fit`, `evaluate` or `predict`, that of Keras.
        *args, **kwargs: Of the verb.
    """
    if keras.backend.backend() != "jax":
        return verb(*args, **kwargs)
    if model._jax_state_synced:
        model._jax_state = None  # of an earlier train_on_batch: weights may be others now
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and verb.__name__ == "fit" and not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *(optimizer.variables if optimizer is not None else ())]
    values = [variable._value for variable in variables]
    try:
        return verb(*args, **kwargs)
    except BaseException:
        model.jax_state_sync()
        model._jax_state = None
        for variable, value in zip(variables, values, strict=True):
            if variable._value is None and value is not None:
                variable.assign(value)
        raise
