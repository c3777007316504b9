"""The copies of a model that several devices train, each on its part of a batch."""

import keras


def which_replica():
    """`(number, how many)`: (0, 1) but in a copy of TensorFlow's strategies.

    JAX and PyTorch run one program on the whole batch, whatever the number of devices.
    """
    if keras.backend.backend() != "tensorflow":
        return 0, 1
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def draw_uniform(shape, seed_generator):
    """Uniform float32 numbers on [0, 1) for the samples of this replica, batch axis first."""
    replica, replicas = which_replica()
    if replicas == 1:
        return keras.random.uniform(shape, dtype="float32", seed=seed_generator)
    # All replicas have the same seed: each takes a part of one draw, or their samples would get
    # the same numbers.
    shape = (replicas, *shape)
    return keras.random.uniform(shape, dtype="float32", seed=seed_generator)[replica]


def weighed_by_samples(loss, count):
    """The loss of a replica, whose gradient counts by how many samples the replica has.

    Keras takes the mean over the replicas' means. Where a batch does not divide evenly, a sample
    in a smaller part would weigh more than others, and an empty part would count as much as
    any. The value stays, as Keras reports it by samples.
    """
    _, replicas = which_replica()
    if replicas == 1:
        return loss
    import tensorflow as tf

    count = tf.cast(count, "float32")
    whole = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    weighed = loss * tf.cast(count * replicas / whole, loss.dtype)
    return tf.stop_gradient(loss) + weighed - tf.stop_gradient(weighed)
