"""Remembers how a modality's features look for every class, and how near new ones are."""

import threading

import keras
from keras import ops

from keras_fusion._checks import check_int, check_rate


class _Seen(dict):
    """The features of the last call, by thread: TensorFlow's strategies run a copy in each."""

    def __deepcopy__(self, memo):
        return _Seen()


@keras.saving.register_keras_serializable(package="keras_fusion")
class ClassPrototypes(keras.layers.Layer):
    """Keeps a prototype of every class, the running mean of a modality's features.

    Use it to see how well features part the classes without a head, and to draw them to their
    classes. A builder called with `balance="pmr"` places these layers for you, and the model's
    loss calls `compare`.

        p(c | h) = softmax_c(-||h - c_c||)
        c_c <- m c_c + (1 - m) mean of the batch's h of class c

    The first mean of a class is its prototype as it is; a class that is not in the batch keeps
    what it has. The call itself hands on what it gets. `prototypes`, `known` (the classes that have
    one) and `weight` are weights that are not trained, saved with the model.

    With `balance="pmr"` the model adds a loss for all modalities but the one whose features part
    the classes best in a batch. With s_k for the mean probability p of the right class over the
    samples that have modality k:

        loss = ... + weight * sum_{k: s_k < max s} CE(p(c | h_k), y)

    Features are a modality's last hidden fusion point, or where a method cuts the backbones, the
    tensor there. The original slows the best modality besides.

    Args:
        num_classes: Integer, at least 2.
        index: Integer, which tensor of the list has the features. Defaults to `-1`.
        momentum: Float in [0, 1), m. Defaults to `0.2`, that of the original, which takes the means
            of a part of the training data once an epoch.
        **kwargs: The arguments of every Keras layer. Values keep their dtype whatever the
            layer's own.

    Call arguments:
        inputs: List of tensors `(batch, ...)`; the features are `(batch, ..., features)`, averaged
            over what lies between, without masked steps.
        training: Boolean. With it the features are kept for `compare`.

    Input shape:
        List of `(batch, ...)`.

    Output shape:
        The same.

    Raises:
        ValueError: features of open width, or `compare` without a call in training before.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> layer = kf.layers.ClassPrototypes(num_classes=2)
    >>> _ = layer([np.array([[0.0, 1.0], [4.0, 1.0]])], training=True)
    >>> _ = layer.compare(np.eye(2), np.ones(2))
    >>> np.array(layer.prototypes).tolist()
    [[0.0, 1.0], [4.0, 1.0]]

    Reference:
        Fan et al. (2023), PMR: Prototypical Modal Rebalance for Multimodal Learning.
    """

    def __init__(self, num_classes, index=-1, momentum=0.2, **kwargs):
        super().__init__(autocast=False, **kwargs)
        num_classes = check_int("num_classes", num_classes, minimum=2)
        index = check_int("index", index, minimum=-(2**31))
        momentum = check_rate("momentum", momentum)
        self.num_classes = num_classes
        self.index = index
        self.momentum = momentum
        self.supports_masking = True
        self._seen = _Seen()

    def build(self, inputs_shape):
        width = inputs_shape[self.index][-1]
        if width is None:
            raise ValueError(
                "ClassPrototypes: expected features of a known width. "
                f"Received: {tuple(inputs_shape[self.index])}"
            )
        self.prototypes = self._state("prototypes", (self.num_classes, width))
        self.known = self._state("known", (self.num_classes,))
        self.weight = self._state("weight", ())

    def _state(self, name, shape):
        # The mean: copies on several devices each find their own.
        return self.add_weight(
            shape=shape,
            initializer="zeros",
            trainable=False,
            dtype="float32",
            aggregation="mean",
            name=name,
        )

    def call(self, inputs, mask=None, training=False):
        if training:
            own_mask = None if mask is None else mask[self.index]
            self._seen[threading.get_ident()] = _averaged(inputs[self.index], own_mask)
        return inputs

    def compare(self, targets, counted):
        """How near the last call's features are to their classes' prototypes, which then move.

        Args:
            targets: Tensor `(batch, num_classes)`, 1 for the class of each sample and else 0.
            counted: Tensor `(batch,)`, 1 for the samples that have the modality and else 0.

        Returns:
            The mean probability of the right class (1 / num_classes where no sample counts), the
            cross-entropy of every sample (0 for those that do not count), and how many count. It
            is measured by the prototypes of before; classes without one do not count.
        """
        features = self._seen.pop(threading.get_ident(), None)
        if features is None:
            raise ValueError("compare: expected a call with training=True before. Received: none")
        targets = ops.cast(targets, "float32") * ops.cast(counted, "float32")[:, None]
        # Copies: PyTorch refuses the backward pass where the weights are assigned before it.
        prototypes, known = (
            ops.stop_gradient(ops.convert_to_tensor(v)) * 1.0 for v in (self.prototypes, self.known)
        )
        # Not by differences, which would be batch x classes x features values.
        squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
        squares = squares + ops.sum(ops.square(prototypes), axis=-1)
        squares = squares - 2 * ops.matmul(features, ops.transpose(prototypes))
        logits = -ops.sqrt(ops.maximum(squares, 0.0) + 1e-12)
        logits = ops.where(known > 0, logits, -1e9)
        own = targets * ops.cast(known > 0, "float32")
        losses = -ops.sum(own * ops.log_softmax(logits), axis=-1)
        count = ops.sum(own)
        right = ops.sum(own * ops.softmax(ops.stop_gradient(logits)))
        score = ops.where(count > 0, right / ops.maximum(count, 1.0), 1.0 / self.num_classes)
        self._move(ops.stop_gradient(features), targets, prototypes, known)
        return score, losses, count

    def _move(self, features, targets, prototypes, known):
        counts = ops.sum(targets, axis=0)[:, None]
        means = ops.matmul(ops.transpose(targets), features) / ops.maximum(counts, 1e-7)
        moved = self.momentum * prototypes + (1 - self.momentum) * means
        moved = ops.where(known[:, None] > 0, moved, means)
        self.prototypes.assign(ops.where(counts > 0, moved, prototypes))
        self.known.assign(ops.maximum(known, ops.cast(counts[:, 0] > 0, "float32")))

    def compute_output_spec(self, inputs, mask=None, training=False):
        return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def compute_mask(self, inputs, mask=None):
        return mask

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "index": self.index,
            "momentum": self.momentum,
        }


def _averaged(x, mask):
    """The mean over all axes but the batch and the features, without masked steps; float32."""
    x = ops.cast(x, "float32")
    if mask is not None and len(x.shape) == 3:
        here = ops.cast(mask, "float32")[..., None]
        return ops.sum(x * here, axis=1) / ops.maximum(ops.sum(here, axis=1), 1.0)
    return ops.mean(x, axis=tuple(range(1, len(x.shape) - 1))) if len(x.shape) > 2 else x
