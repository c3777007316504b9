"""Gradient norms and unimodal scores of the modalities after every epoch."""

import keras
from keras import ops

from keras_fusion.models import FusionModel


class ModalityBalance(keras.callbacks.Callback):
    """Records how strongly each modality's network is trained, and how well it predicts alone.

    Use it where one modality may starve the others: once the joint loss is small, the gradient
    that reaches the slower modality's network is small too, and its own head stays behind.
    `plot_modality_balance` draws what it recorded.

    After every epoch it takes the gradient of the model's loss (all heads, with their weights) on
    one small batch, without dropout and with the moving averages of batch normalization, and
    reports its Euclidean norm over the trainable weights of each modality's layers; "central" is
    all the others. It costs one forward and one backward pass per epoch and changes nothing.
    The unimodal scores are those that `fit` reports for the modalities' heads, so that a model
    without unimodal heads has none. Of a model built with `balance=` it records the coefficients,
    too; the norms are those without them.

    Runs on TensorFlow, JAX and PyTorch. A network that stands under two names counts for the
    first one. Layers count for the modality whose name they begin with, as the builders name
    them.

    Args:
        x: Dictionary of arrays, as for `fit`: the batch on which gradients are taken. Some dozens
            of validation samples are enough.
        y: Array of targets, or a dictionary `{head: array}`.

    Attributes:
        epochs: List of integers, the number of finished epochs of each record; 0 is before
            training.
        gradient_norms: List of dictionaries `{modality or "central": float}`, one for each of
            `epochs`.
        scores: List of dictionaries `{modality: {name: float}}`, the logs of the modalities' heads
            and of "central" with names such as "accuracy" and "val_loss"; empty before training.
        coefficients: List of dictionaries, `FusionModel.balance_coefficients()` of each.

    Raises:
        TypeError: when training starts, for a model that is no fusion model.
        ValueError: when training starts, if the batch does not fit the model.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = {"image": np.ones((8, 4)), "audio": np.ones((8, 6))}, np.zeros(8)
    >>> balance = kf.training.ModalityBalance(x, y)
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[balance])
    >>> balance.epochs
    [0, 1, 2]
    >>> sorted(balance.gradient_norms[-1])
    ['audio', 'central', 'image']
    >>> sorted(balance.scores[-1]["image"])
    ['accuracy', 'loss']

    Reference:
        Wang et al. (2020), What Makes Training Multi-Modal Classification Networks Hard?, for the
        observation; the record is ours.
    """

    def __init__(self, x, y):
        super().__init__()
        if not isinstance(x, dict):
            raise TypeError(f"x: expected a dict of arrays. Received: {type(x).__name__}")
        self.x, self.y = x, y
        self.epochs, self.gradient_norms, self.scores, self.coefficients = [], [], [], []
        self._starting = True

    def on_train_begin(self, logs=None):
        self._starting = True

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, which does not know at which epoch training resumes.
        if not self._starting:
            return
        self._starting = False
        if not isinstance(self.model, FusionModel):
            raise TypeError(f"expected a FusionModel. Received: {type(self.model).__name__}")
        kept = sum(finished < epoch for finished in self.epochs)
        for records in (self.epochs, self.gradient_norms, self.scores, self.coefficients):
            del records[kept:]
        self._record(epoch, {})

    def on_epoch_end(self, epoch, logs=None):
        self._record(epoch + 1, logs or {})

    def _record(self, epoch, logs):
        scores = {}
        for key, value in logs.items():
            name = key.removeprefix("val_")
            head = _owner(name, self.model.heads)
            if head is not None:
                of_head = key.removesuffix(name) + name.removeprefix(f"{head}_")
                scores.setdefault(head, {})[of_head] = float(value)
        self.epochs.append(epoch)
        self.gradient_norms.append(_gradient_norms(self.model, self.x, self.y))
        self.scores.append(scores)
        self.coefficients.append(self.model.balance_coefficients())

    def __getstate__(self):
        # A copy, such as KerasTuner makes for every trial, is for another model.
        return {**self.__dict__, "_model": None}


def _owner(name, owners):
    """The modality or head whose name that of a layer or log begins with, or None."""
    # Longest first: a modality may be called `image` and another `image_left`.
    ordered = sorted(owners, key=len, reverse=True)
    return next((owner for owner in ordered if name.startswith(f"{owner}_")), None)


def _gradient_norms(model, x, y):
    squares = dict.fromkeys([*model.modalities, "central"], 0.0)
    owners = {}
    for layer in model.layers:
        owner = _owner(layer.name, model.modalities) or "central"
        for variable in layer.trainable_variables:
            owners.setdefault(id(variable), owner)
    x, y = keras.tree.map_structure(ops.convert_to_tensor, (x, y))
    gradients = _gradients(model, x, y)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if gradient is not None:
            gradient = ops.cast(ops.convert_to_tensor(gradient), "float32")
            squares[owners[id(variable)]] += float(ops.sum(ops.square(gradient)))
    return {owner: square**0.5 for owner, square in squares.items()}


def _gradients(model, x, y):
    """The gradient of the loss by each trainable variable; None where there is none."""

    def loss():
        predicted = model(x, training=False)
        return model.compute_loss(x, y, predicted, training=False)

    variables = model.trainable_variables
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def loss_of(values):
            # What the losses' trackers count goes with the scope.
            mapping = zip(variables, values, strict=True)
            with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
                return loss()

        return jax.grad(loss_of)([variable.value for variable in variables])
    values = [variable.value for variable in variables]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = loss()
        gradients = tape.gradient(total, values)
    else:
        import torch

        with torch.enable_grad():
            gradients = torch.autograd.grad(loss(), values, allow_unused=True)
    model.reset_metrics()  # the losses' trackers counted this batch
    return gradients
