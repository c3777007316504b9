"""Drops whole modalities at random during training."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_bool, check_seed, is_number, plain
from keras_fusion._replica import draw_uniform
from keras_fusion.layers.fusion_layer import FusionLayer, column

Schedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="keras_fusion")
class ModDrop(FusionLayer):
    """Sets whole modalities of a sample to zero, at random, in training only.

    Use it between the modalities' networks and a joint network: it keeps that from leaning on
    one modality or on modalities that happen to agree, and prepares it for missing ones.
    `build_moddrop` places it for you.

        h_k <- delta_k * h_k,    P(delta_k = 0) = rate_k    (for every sample anew)

    By default a sample keeps at least one of the modalities that it has: where all of them are
    drawn, one of them, each with the same probability, stays. A modality is therefore dropped
    a little less often than its rate says: with probability rate_k - prod_j rate_j / n, over the
    n modalities that the sample has. Two modalities with rate 0.5 are dropped with probability
    0.375, three with 0.458; a sample with only one keeps it.

    What is kept is not multiplied by anything, neither in training nor afterwards: a dropped
    modality looks exactly like an absent one. This is the original method as it is known here
    (the selector delta multiplies a modality's terms in the sum and nothing else does), and the
    CentralNet paper says nothing else. `rescale=True` divides what is kept by its probability of
    being kept, as common dropout does, so that expected values stay the same.

    Args:
        rate: Float between 0 and 1, or a sequence with one for each modality: how often it is
            dropped. CentralNet used 0.2, 0.25, 0.32 and 0.5 for its four data sets. Defaults to
            `0.5`. Each may be a `keras.optimizers.schedules.LearningRateSchedule` instead, of the
            layer's own count of training steps, which is saved with the model: with
            `PolynomialDecay(0.0, 1000, 0.5)` the rate grows from 0 to 0.5 in 1000 steps.
            Evaluation and prediction neither drop nor count.
        allow_none: Boolean, whether all modalities of a sample may be dropped at once. With
            `True` the draws are independent, and the rates exact. Defaults to `False`.
        rescale: Boolean, see above. Defaults to `False`.
        seed: Integer, for draws that can be repeated (on one and the same backend), or `None`.
            Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more tensors `(batch, ...)` of any shapes and kinds.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1: which modalities
            each sample has. The others are set to zero in training and afterwards, whatever stands
            in them; only the present ones are drawn from.
        training: Boolean. Without it nothing is dropped.

    Input shape:
        List of `(batch, ...)`.

    Output shape:
        A list with the shapes of the inputs, and their dtypes.

    Raises:
        ValueError: rates outside [0, 1], or another number of them than of modalities.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> moddrop = kf.layers.ModDrop(rate=[0.0, 1.0])
    >>> image, sound = np.ones((1, 2)), np.ones((1, 3))
    >>> [np.array(h).tolist() for h in moddrop([image, sound], training=True)]
    [[[1.0, 1.0]], [[0.0, 0.0, 0.0]]]
    >>> [np.array(h).tolist() for h in moddrop([image, sound])]
    [[[1.0, 1.0]], [[1.0, 1.0, 1.0]]]

    Reference:
        Neverova et al. (2016), ModDrop: Adaptive Multi-modal Gesture Recognition; Vielzeuf et
        al. (2018), CentralNet, Sect. 3, (d) "Moddrop".
    """

    ranks = tuple(range(1, 10))
    open_features = True

    def __init__(self, rate=0.5, allow_none=False, rescale=False, seed=None, **kwargs):
        super().__init__(**kwargs)
        allow_none = check_bool("allow_none", allow_none)
        rescale = check_bool("rescale", rescale)
        seed = check_seed("seed", seed)
        self.rate = plain(tuple(rate) if isinstance(rate, (list, tuple)) else rate)
        rates = self.rate if isinstance(self.rate, tuple) else [self.rate]
        for value in rates:
            start = _at_start(value)
            if not is_number(start) or not 0 <= start <= 1:
                raise ValueError(
                    "rate: expected a float in [0, 1], or a schedule that starts from one (0.0, "
                    f"not 0), or one per modality. Received: {rate!r}"
                )
        self._scheduled = any(isinstance(value, Schedule) for value in rates)
        self.allow_none = allow_none
        self.rescale = rescale
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.step = None
        if self._scheduled:  # else saved files would not be those of earlier releases
            self.step = self.add_weight(
                shape=(),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                aggregation="only_first_replica",
                name="step",
            )

    def call(self, modalities, present=None, training=False):
        modalities = list(modalities)
        rates = self._rates(len(modalities), training)
        here = None if present is None else ops.cast(present, "bool")
        factors = None
        if training and (self._scheduled or rates.any()):
            if here is None:
                here = ops.ones((ops.shape(modalities[0])[0], len(modalities)), dtype="bool")
            possible, here = here, self._draw(here, rates)
            factors = self._factors(possible, rates) if self.rescale else None
        if here is None:
            return modalities
        kept = []
        for k, hidden in enumerate(modalities):
            rank = len(hidden.shape)
            hidden = ops.where(column(here, k, rank), hidden, ops.zeros_like(hidden))
            if factors is not None:
                hidden = hidden * ops.cast(column(factors, k, rank), hidden.dtype)
            kept.append(hidden)
        return kept

    def _draw(self, here, rates):
        """Which modalities of those in `here`, `(batch, n)`, are kept."""
        rates = ops.convert_to_tensor(rates)
        drawn = draw_uniform(ops.shape(here), self.seed_generator)
        kept = ops.logical_and(here, drawn >= rates)
        if self.allow_none:
            return kept
        # Where all are dropped, drawn / rate is uniform on [0, 1) for each of them, so that the
        # largest is any of them with the same probability: no second draw is needed.
        order = ops.where(here, drawn / ops.maximum(rates, 1e-7), -1.0)
        last = ops.argmax(order, axis=-1, keepdims=True)
        last = ops.logical_and(here, ops.cast(ops.arange(here.shape[1]), last.dtype) == last)
        return ops.where(ops.any(kept, axis=-1, keepdims=True), kept, last)

    def _factors(self, here, rates):
        """1 / probability of being kept, `(batch, n)`."""
        rates = ops.convert_to_tensor(rates)
        keep = ops.where(here, 1.0 - rates, 1.0)
        if not self.allow_none:
            all_drawn = ops.prod(ops.where(here, rates, 1.0), axis=-1, keepdims=True)
            count = ops.sum(ops.cast(here, "float32"), axis=-1, keepdims=True)
            keep = keep + ops.where(here, all_drawn / ops.maximum(count, 1.0), 0.0)
        return 1.0 / ops.maximum(keep, 1e-7)

    def _rates(self, count, training):
        """The rates of so many modalities at this step; in training, the next call is one later."""
        rates = self.rate if isinstance(self.rate, tuple) else (self.rate,) * count
        if not self._scheduled:
            return np.array(rates, "float32")
        step = ops.convert_to_tensor(self.step)
        now = [ops.cast(r(step) if isinstance(r, Schedule) else r, "float32") for r in rates]
        if training:
            self.step.assign(step + 1)
        return ops.clip(ops.stack(now), 0.0, 1.0)

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        if isinstance(self.rate, tuple) and len(self.rate) != len(shapes):
            raise ValueError(
                f"rate: expected one for each of the {len(shapes)} modalities, or a single one. "
                f"Received: {list(self.rate)}"
            )
        return shapes

    def compute_output_spec(self, modalities, present=None, training=False):
        # Keras would say the compute dtype; integers stay integers.
        return [keras.KerasTensor(h.shape, dtype=h.dtype) for h in modalities]

    def compute_output_shape(self, modalities_shape, present_shape=None):
        return self.check_shapes(modalities_shape, present_shape=present_shape)

    def compute_mask(self, modalities, mask=None):
        return mask

    def get_config(self):
        return {
            **super().get_config(),
            "rate": keras.saving.serialize_keras_object(
                list(self.rate) if isinstance(self.rate, tuple) else self.rate
            ),
            "allow_none": self.allow_none,
            "rescale": self.rescale,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        rate = keras.saving.deserialize_keras_object(config["rate"])
        return super().from_config({**config, "rate": rate})


def _at_start(rate):
    """A rate as it is, or what a schedule gives for the first step."""
    if not isinstance(rate, Schedule):
        return rate
    # From 0 in place of 0.0, schedules of Keras compute with integers, and the rate stays at 0.
    if isinstance(getattr(rate, "initial_learning_rate", None), int):
        return None
    return float(ops.convert_to_numpy(rate(ops.zeros((), "int32"))))
