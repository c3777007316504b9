"""How many GPUs the backend sees."""

import keras


def count_gpus():
    """The number of GPUs that the backend of Keras can use.

    Use it to choose how many workers a search gets: one trial trains on one GPU.

    Returns:
        Integer, 0 where there is none.

    Example:

    >>> import keras_fusion as kf
    >>> kf.tuning.count_gpus() >= 0
    True
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.devices())
    import torch

    return torch.cuda.device_count()


def as_strategy(strategy):
    """The `tf.distribute` strategy for the models of a search, or None.

    Args:
        strategy: A strategy, `"mirrored"` (all GPUs of this process for one trial), or `None`.
    """
    if strategy is None:
        return None
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "strategy: expected None, as only TensorFlow has strategies. "
            f"Received: {strategy!r} on {keras.backend.backend()}"
        )
    if strategy != "mirrored":
        if not hasattr(strategy, "scope"):
            raise ValueError(
                'strategy: expected None, "mirrored" or a tf.distribute strategy. '
                f"Received: {strategy!r}"
            )
        return strategy
    import tensorflow as tf

    # Collective operations keep the shapes of the first model of a process, and a search trains
    # many.
    return tf.distribute.MirroredStrategy(cross_device_ops=tf.distribute.ReductionToOneDevice())


def empty_cache():
    """Gives back what PyTorch keeps of a GPU's memory; the other backends have no such call."""
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
