"""What metrics read off a batch: its shapes, classes and weights."""

from keras import ops


def quotient(a, b):
    """a / b, and 0 where b is 0."""
    a, b = ops.convert_to_tensor(a), ops.convert_to_tensor(b)
    return ops.where(b > 0, a / ops.where(b > 0, b, ops.ones_like(b)), ops.zeros_like(a))


def weights(sample_weight, like, dtype):
    """One weight per sample, 1 if there are none."""
    if sample_weight is None:
        return ops.ones((ops.shape(like)[0],), dtype)
    sample_weight = ops.cast(sample_weight, dtype)
    if len(sample_weight.shape) > 2 or (
        len(sample_weight.shape) == 2 and sample_weight.shape[1] != 1
    ):
        raise ValueError(
            "sample_weight: expected one weight per sample, (batch,). "
            f"Received shape: {tuple(sample_weight.shape)}"
        )
    return ops.reshape(sample_weight, (-1,))


def check_labels(y_true, y_pred, metric):
    """How many labels there are; an error unless both have one shape."""
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{metric}: expected labels and predictions of one shape, (batch, labels). "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    return shapes[1][1]


def is_sparse(y_true, y_pred):
    """Whether there is one number for two predictions or more: the index of a class."""
    shape = tuple(y_true.shape)
    one = len(shape) == 1 or shape[1:] == (1,)
    return one and len(y_pred.shape) == 2 and (y_pred.shape[1] or 0) > 1


def class_indices(y_true, y_pred, metric):
    """The true classes, the predicted ones, `(batch,)` both, and how many classes there are."""
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    sparse = is_sparse(y_true, y_pred)
    one_hot = len(shapes[1]) == 2 and (shapes[1][1] or 0) > 1 and shapes[0][1:] == shapes[1][1:]
    if not (sparse or one_hot):
        raise ValueError(
            f"{metric}: expected class indices (batch,) or one-hot labels, and predictions "
            f"(batch, two or more classes). Received: {shapes[0]} and {shapes[1]}"
        )
    truth = ops.reshape(y_true, (-1,)) if sparse else ops.argmax(y_true, axis=-1)
    return ops.cast(truth, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32"), shapes[1][1]
