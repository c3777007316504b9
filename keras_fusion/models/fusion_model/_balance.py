"""How modalities are kept in balance while a model trains: loss weights, gates or prototypes."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_choice, is_number, plain
from keras_fusion._keras import weighted_losses

# The number that goes with a kind: OGM's alpha, and the weight of PMR's loss.
BALANCES = {"blend": None, "ogm": 0.1, "pmr": 1.0}
LAYERS = {"ogm": "fusion_gate", "pmr": "fusion_prototypes"}
_TINY = 1e-8


def read_balance(balance):
    """`(kind, number)` of the builders' argument; `(None, None)` for None."""
    if balance is None:
        return None, None
    balance = plain(balance)
    if isinstance(balance, dict) and len(balance) == 1:
        ((kind, number),) = balance.items()
    else:
        kind, number = balance, BALANCES.get(balance) if isinstance(balance, str) else None
    check_choice("balance", kind, (None, *BALANCES))
    if kind == "blend":
        if number is not None:
            raise ValueError(f'balance: expected "blend" without a number. Received: {number!r}')
    elif not is_number(number) or not 0 < number < float("inf"):
        raise ValueError(f'balance: expected a finite float > 0 for "{kind}". Received: {number!r}')
    return kind, number


def made_balance(config, model):
    """What does the work in a model, or None.

    Args:
        config: None, or a dict with "kind", "number" and "head" (its activation).
        model: `FusionModel`.
    """
    if config is None:
        return None
    kind = {"blend": _Blend, "ogm": _Gates, "pmr": _Prototypes}[config["kind"]]
    return kind(dict(config), model)


class _Balance:
    """What all kinds share; a kind says what a step adds, and its coefficients."""

    def __init__(self, config, model):
        self.config, self.kind = config, config["kind"]
        self._heads = list(model.heads)
        self.betas = dict.fromkeys(self._heads, 1.0)  # of those that have a loss
        self.layers = {
            name: model.get_layer(f"{LAYERS[self.kind]}_{name}")
            for name in model.modalities
            if self.kind in LAYERS
        }

    def set_betas(self, losses, loss_weights):
        """Keeps the weights of the heads that have a loss, as `compile` got both, by head."""
        trained = (head for head in self._heads if losses.get(head) is not None)
        self.betas = {head: loss_weights.get(head, 1.0) for head in trained}

    def weighing(self, model, y, y_pred):
        """A context in which the model's losses are weighed for a step of training."""
        return contextlib.nullcontext()

    def added(self, model, y, y_pred, present):
        """After the loss of a step: what it adds to the loss, or None."""

    def _here(self, model, name, present, y_pred):
        """`(batch,)`, 1 for the samples that have the modality."""
        if present is None:
            return ops.ones((ops.shape(y_pred["central"])[0],), "float32")
        return ops.cast(present, "float32")[:, sorted(model.modalities).index(name)]

    def _targets(self, y, width):
        """`(batch, classes)`: 1 for the class of a sample and else 0, whatever form `y` has."""
        y = ops.convert_to_tensor(y)
        if self.config["head"] == "sigmoid" and width == 1:
            y = ops.cast(ops.reshape(y, (-1, 1)), "float32")
            return ops.concatenate([1 - y, y], axis=-1)
        if len(y.shape) == 2 and y.shape[-1] == width and width > 1:
            return ops.cast(y, "float32")
        # Labels that are no class (`ignore_class`) have none.
        y = ops.cast(ops.reshape(y, (-1, 1)), "int32")
        return ops.cast(ops.equal(y, ops.arange(width, dtype="int32")), "float32")


class _Gates(_Balance):
    """On-the-fly gradient modulation: each modality's gate, by how well its head does."""

    def added(self, model, y, y_pred, present):
        names, scores, here = list(self.layers), [], []
        for name in names:
            p = ops.cast(ops.stop_gradient(y_pred[name]), "float32")
            targets = self._targets(y[name], p.shape[-1])
            if targets.shape[-1] != p.shape[-1]:  # one unit: both classes
                p = ops.concatenate([1 - p, p], axis=-1)
            right = ops.sum(targets * p, axis=-1)
            if self.config["head"] == "sigmoid" and p.shape[-1] == y_pred[name].shape[-1]:
                right = ops.mean(targets * p + (1 - targets) * (1 - p), axis=-1)
            counted = self._here(model, name, present, y_pred)
            count = ops.sum(counted)
            scores.append(ops.sum(ops.where(counted > 0, right, 0.0)) / ops.maximum(count, 1.0))
            here.append(ops.cast(count > 0, "float32"))
        kappas = modulation(ops.stack(scores), ops.stack(here), self.config["number"])
        for k, name in enumerate(names):
            self.layers[name].coefficient.assign(kappas[k])

    def coefficients(self, model):
        return {name: float(layer.coefficient) for name, layer in self.layers.items()}


def modulation(scores, here, alpha):
    """OGM's coefficients, 1 for who is not ahead of the others on average nor in the batch.

    Args:
        scores: Tensor `(modalities,)`.
        here: Tensor `(modalities,)`, 1 for those that a sample of the batch has.
        alpha: Float.
    """
    others = here[None] * (1 - ops.eye(scores.shape[0]))
    ratios = scores[:, None] / ops.maximum(scores[None], 1e-7)
    mean = ops.sum(others * ratios, axis=1) / ops.maximum(ops.sum(others, axis=1), 1.0)
    slowed = ops.logical_and(mean > 1, here > 0)
    return ops.where(slowed, 1 - ops.tanh(alpha * mean), 1.0)


class _Prototypes(_Balance):
    """Prototypical modal rebalance: a loss on the features of all modalities but the best."""

    def added(self, model, y, y_pred, present):
        width = y_pred["central"].shape[-1]
        targets = self._targets(y["central"], width)
        found = []
        for name, layer in self.layers.items():
            found.append(layer.compare(targets, self._here(model, name, present, y_pred)))
        scores = ops.stack([score for score, _, _ in found])
        there = ops.stack([count for _, _, count in found]) > 0
        best = ops.max(ops.where(there, scores, 0.0))
        behind = ops.cast(ops.logical_and(there, scores < best), "float32")
        weights = self.config["number"] * behind
        total = 0.0
        for k, (layer, (_, losses, _)) in enumerate(zip(self.layers.values(), found, strict=True)):
            layer.weight.assign(weights[k])
            # Over the batch, as the losses of heads.
            total = total + weights[k] * ops.mean(losses)
        return total

    def coefficients(self, model):
        return {name: float(layer.weight) for name, layer in self.layers.items()}


class _Blend(_Balance):
    """Online Gradient-Blending: loss weights of all heads, set after every epoch."""

    def __init__(self, config, model):
        super().__init__(config, model)
        # The model's own, as a layer outside its graph is none of its layers in every release.
        heads = len(model.heads)
        shapes = {"factors": (heads,), "losses_before": (2, heads), "epochs": ()}
        self.state = [
            model.add_weight(
                shape=shape,
                initializer="ones" if name == "factors" else "zeros",
                trainable=False,
                dtype="float32",
                name=f"blend_{name}",
            )
            for name, shape in shapes.items()
        ]

    def weighing(self, model, y, y_pred):
        factors = ops.convert_to_tensor(self.state[0])
        weights = {
            head: beta * factors[model.heads.index(head)] for head, beta in self.betas.items()
        }
        return weighted_losses(model, y, y_pred, weights)

    def after_epoch(self, model, values, logs):
        """The state after an epoch, that of `state`, and what `fit` logged.

        Args:
            model: `FusionModel`, compiled.
            values: List of arrays, those of `state` before.
            logs: Dict with `{head}_loss` and `val_{head}_loss`; without them nothing changes.
        """
        betas = self.betas
        keys = [f"{prefix}{head}_loss" for prefix in ("", "val_") for head in betas]
        if any(key not in logs or not np.isfinite(logs[key]) for key in keys):
            return values
        factors, before, epochs = (np.array(value, "float32") for value in values)
        places = [model.heads.index(head) for head in betas]
        now = np.array([float(logs[key]) for key in keys], "float64").reshape(2, -1)
        if epochs > 0:
            weights = np.abs(np.array(list(betas.values())))
            gains = blending(*before[:, places].astype("float64"), *now)
            total = (weights * gains).sum()
            if total > 0:
                factors[places] = gains * weights.sum() / total
        before[:, places] = now
        return [factors, before, epochs + 1]

    def update(self, model, logs):
        """Sets the state after an epoch of `fit`."""
        values = [ops.convert_to_numpy(variable.value) for variable in self.state]
        for variable, value in zip(self.state, self.after_epoch(model, values, logs), strict=True):
            variable.assign(value)

    def coefficients(self, model):
        factors = ops.convert_to_numpy(self.state[0].value)
        return {h: float(b * factors[model.heads.index(h)]) for h, b in self.betas.items()}


def blending(train_before, validation_before, train, validation):
    """Gradient-Blending's weights of the heads, not normalized: dG / dO^2.

    G is what the validation loss fell by since the epoch before, O how far it lies above the
    training loss. All arguments are arrays `(heads,)`.
    """
    gain = np.maximum(validation_before - validation, _TINY)
    overfit = (validation - train) - (validation_before - train_before)
    return gain / (overfit**2 + _TINY)


class BlendLosses(keras.callbacks.Callback):
    """Sets the loss weights after every epoch."""

    def __init__(self, balance):
        super().__init__()
        self._balance = balance

    def on_epoch_end(self, epoch, logs=None):
        self._balance.update(self.model, logs or {})
