"""The model that every builder returns: named inputs, named heads, one target for all of them."""

import inspect
from dataclasses import dataclass

import keras
from keras import ops

from keras_fusion._checks import plain
from keras_fusion._keras import build_compiled, metrics_of_heads
from keras_fusion._replica import weighed_by_samples
from keras_fusion.models.fusion_model._arguments import check_fit, check_known
from keras_fusion.models.fusion_model._balance import made_balance
from keras_fusion.models.fusion_model._callbacks import fit_callbacks
from keras_fusion.models.fusion_model._directions import give_directions
from keras_fusion.models.fusion_model._evidence import (
    HeadEvidence,
    decoded_of,
    reads_more,
    uncertainty_of,
)
from keras_fusion.models.fusion_model._inputs import (
    check_finite_inputs,
    check_inputs,
    checked_data,
    count_samples,
    with_present,
)
from keras_fusion.models.fusion_model._jax import check_batches, padded, run_or_restore
from keras_fusion.models.fusion_model._labels import check_shapes, check_targets
from keras_fusion.models.fusion_model._names import check_first_names, check_names
from keras_fusion.models.fusion_model._saving import save_whole
from keras_fusion.models.fusion_model._state_tree import check_hdf5, set_state_tree, state_tree
from keras_fusion.models.fusion_model._summary import fusions_of
from keras_fusion.models.fusion_model._targets import add_weighted, per_head, spread_targets
from keras_fusion.models.fusion_model._text import check_backend
from keras_fusion.models.fusion_model._weights import (
    check_class_weight,
    head_sample_weights,
    loss_weights_of,
    spread_weights,
    weights_by_head,
)
from keras_fusion.models.fusion_model._weights_report import fusion_weights_of

_MISSING = object()


def _takes(
    inputs, outputs, *, unimodal_loss_weights, fusion_levels=(), balance=None, name=None, **kwargs
):
    """What `FusionModel` takes, for `help` and editors: its `__init__` cannot say it, see there."""


class _Signature:
    """The `__signature__` of a class, not of subclasses with an `__init__` of their own."""

    def __get__(self, instance, owner):
        if instance is not None or owner.__init__ is not FusionModel.__init__:
            raise AttributeError("__signature__")
        return inspect.signature(_takes)


@dataclass
class _State:
    """What a `FusionModel` keeps beside the attributes that Keras tracks."""

    levels: list
    default_weights: object
    arguments: dict | None = None
    losses: dict | None = None  # by head
    evidence: HeadEvidence | None = None  # where a loss needs it
    metrics: tuple = ()  # two times {head: list}: without weights, and with them
    scored: list | None = None  # heads that have a loss or metrics
    added_loss: object = None
    head_metrics: object = None  # of models with missing modalities
    balance: object = None


@keras.saving.register_keras_serializable(package="keras_fusion")
class FusionModel(keras.Model):
    """A functional model with a central prediction and one per modality.

    The builders (`build_centralnet` ...) make it; everything a `keras.Model` does works as
    always: fit, evaluate, predict, save, load, summary. What it adds:

    - One target serves every head: `fit(x, y)` with a plain `y`, or a dict `{head: y}`.
    - `compile(loss=..., metrics=...)` applies to every head; the loss is
      central + sum_k beta_k * unimodal_k, Eq. (2) of CentralNet, with the betas in
      `unimodal_loss_weights`. `loss` and `metrics` may be dicts `{head: ...}` as well. The loss
      reported for a head is without what layers add to the total (`add_loss`, regularizers).
    - `x` is a dict keyed by modality. Further keys are ignored, a missing one is an error that
      names it. A modality whose backbone has several inputs is a dict itself:
      `x={"text": {"token_ids": ..., "padding_mask": ...}, ...}`.
    - `fusion_weights()` is how much of each source enters at each level.
    - With `missing_modalities=True` (an argument of the builders) there is one more input,
      "present", `(batch, number of modalities)`, bool or 0/1, columns in the order of the sorted
      names; without it in `x` every modality counts as present. Whatever stands in an absent
      modality's input, NaN included, is taken out before its backbone. The head of an absent
      modality counts for that sample neither in its loss nor in its metrics. Losses are still
      divided by the batch size, so that a sample weighs the same whoever else is in its batch;
      metrics are means over the samples that have the modality.
    - A sample without any modality is an error in fit, evaluate and predict where "present" is
      an array. In a graph (`model(x)`, a data set, an exported model) its central prediction is
      finite and depends on the weights alone: the same for all such samples.
    - Instead of an absent modality its backbone sees zeros (`missing_modalities=True` or "zero";
      ones for integers and where a layer masks zeros, since a mean over masked steps alone is
      NaN), the training mean ("mean"; call `models.adapt_missing_modalities`) or a trained value
      ("learned", for floats of fixed size); a dict `{modality: ...}` chooses for each. The
      fusion leaves it out, so this matters only to `BatchNormalization` in the backbone, whose
      batch statistics count the placeholders too. On MM-digits with half of the views absent in
      training (CentralNet of two LeNet5, 12 epochs, mean of 3 seeds) the test accuracy with both
      views is 95.2 % for "mean", 94.8 for "zero" and 93.8 for "learned"; with half of the views
      absent 89.0, 86.6 and 86.3; of the heads of the two views alone 84.3 and 86.4, 79.6 and
      85.7, 80.0 and 87.0. Seeds differ by 1 to 6 points.

    Built with `balance=` (an argument of the builders) it keeps a modality that learns faster from
    leaving the others behind. Predictions, evaluation and exports are as without; its state is
    saved with the model, and training goes on with it.

    - "ogm", on-the-fly gradient modulation: `layers.GradientGate` has the equations.
    - "pmr", prototypes of the classes: `layers.ClassPrototypes` has the equations.
    - "blend", online Gradient-Blending. With T and V for the training and validation loss of a head
      in an epoch, O = V - T, dO and dG = V_before - V from epoch to epoch, the weight of a head's
      loss is multiplied by a factor in proportion to

          max(dG, 1e-8) / (dO^2 + 1e-8)

      such that the weights of `compile` keep their sum. The first two epochs, `evaluate`, and
      epochs after which `fit` does not validate, have those of `compile` or what was before; so
      "val_loss" is one measure throughout. `train_on_batch` has no epochs, and changes nothing. The
      original trains every head alone for each estimate; here one training serves all.

    Args:
        inputs: Dict `{modality: keras.Input}`, "present" too if used.
        outputs: Dict `{"central": tensor, modality: tensor ...}`.
        name: Optional string, of the model. Defaults to `None`.
        fusion_levels, unimodal_loss_weights: A list of dicts with "name", "layer" (that reports the
            weights), "sources" and "label", lowest level first; and a float, a dict
            `{modality: float}` or `None`, what `compile` uses unless it is given others.
        balance: Optional dict with "kind", "number" and "head", what the builders make of their
            argument of this name. Defaults to `None`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)])
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = {"mlp": np.zeros((8, 4)), "mlp_2": np.zeros((8, 6))}
    >>> history = model.fit(x, np.arange(8), verbose=0)
    >>> sorted(history.history)[:4]
    ['central_accuracy', 'central_loss', 'loss', 'mlp_2_accuracy']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Eq. (2) and Sect. 2.2. Wang, Tran & Feiszli (2020), What
        Makes Training Multi-Modal Classification Networks Hard?; Peng et al. (2022), Balanced
        Multimodal Learning via On-the-fly Gradient Modulation; Fan et al. (2023), PMR: Prototypical
        Modal Rebalance for Multimodal Learning.
    """

    __signature__ = _Signature()

    # `*args, **kwargs` is how Keras 3.12 and 3.15 alike know a functional model by its `__init__`.
    def __init__(
        self, *args, fusion_levels=(), unimodal_loss_weights=_MISSING, balance=None, **kwargs
    ):
        if unimodal_loss_weights is _MISSING:
            raise TypeError(
                "FusionModel: expected unimodal_loss_weights=, and fusion_levels= of a model that "
                "has levels. Received: no weights. keras.models.clone_model does not hand them "
                "on: use FusionModel.from_config(model.get_config())"
            )
        is_loaded = kwargs.pop("is_loaded", False)
        super().__init__(*args, **kwargs)
        check_backend(self.input)
        if not is_loaded:
            check_first_names("name", [self.name])
            tensors = keras.tree.flatten(dict(self.input))
            check_names("inputs", [*self.input, *(tensor.name for tensor in tensors)])
            check_names("outputs", self.output)
        # `present` may be left out; `call` fills it in.
        if self.input_spec is not None:  # None where a modality has several inputs
            self.input_spec = [spec for spec in self.input_spec if spec.name != "present"]
        # Plain containers would become tracked ones, whose config is no longer plain.
        levels = [dict(level) for level in fusion_levels]
        self._fusion = _State(levels, unimodal_loss_weights)
        loss_weights_of(unimodal_loss_weights, self.heads)
        self._fusion.balance = made_balance(balance, self)

    # ---- what it is made of

    @property
    def heads(self):
        """Names of the outputs: "central", then the modalities with a head of their own."""
        return list(self.output)

    @property
    def modalities(self):
        """Names of the modalities, in the order of the backbones."""
        return [name for name in self.input if name != "present"]

    @property
    def has_present(self):
        """Whether the model takes the mask `present`."""
        return "present" in self.input

    @property
    def fusion_levels(self):
        """Dict `{level: label}`, lowest level first; labels are shapes or "prediction"."""
        return {level["name"]: level["label"] for level in self._fusion.levels}

    @property
    def balance(self):
        """How modalities are kept in balance: `None`, "blend", "ogm" or "pmr", see above."""
        return None if self._fusion.balance is None else self._fusion.balance.kind

    def balance_coefficients(self):
        """How much training now slows, or favours, each modality.

        Returns:
            Dict of floats. With "blend" `{head: weight of its loss}`; with "ogm" `{modality: factor
            of its gradient}`, 1 for one that is not slowed; with "pmr" `{modality: weight of its
            prototypes' loss}`, 0 for the best. Empty without `balance`.

        Example:

        >>> import keras_fusion as kf
        >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)], balance="ogm")
        >>> model.balance_coefficients()
        {'mlp': 1.0, 'mlp_2': 1.0}
        """
        balance = self._fusion.balance
        return {} if balance is None else balance.coefficients(self)

    def fusion_weights(self, x=None, per_sample=False):
        """The share of every source at every level.

        Args:
            x: Optional dict of inputs. Needed by methods whose weights depend on the sample
                (gates), ignored by the others. Defaults to `None`.
            per_sample: Boolean, whether the shares are arrays `(samples,)`, one value per sample of
                `x`, or floats, their mean over `x`. Where every step or place has gates of its own
                (GMU), the arrays are `(samples, ...)`, 0 in padded steps, which the mean leaves
                out. Defaults to `False`.

        Returns:
            Dict `{level: {source: share}}`, lowest level first; sources are the modalities and
            "central"; shares are in [0, 1] and sum to 1 at every level. Empty for methods without
            weights. See the `fusion_weights` of the method's layer for what a share is.

        Raises:
            ValueError: without `x`, where it is needed; weights of a level that are all zero or
                NaN, which have no shares.

        Example:

        >>> import keras_fusion as kf
        >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)])
        >>> model.fusion_weights()["level_0"]
        {'mlp': 0.5, 'mlp_2': 0.5}
        """
        return fusion_weights_of(
            self,
            self._fusion.levels,
            x,
            per_sample,
            lambda x: self._with_present(self._checked(x)),
        )

    def uncertainty(self, x):
        """How uncertain every prediction is, of models that predict by evidence (`build_trusted`).

        Args:
            x: As `predict` takes it: a dict of arrays keyed by modality.

        Returns:
            Dict `{"central": array, modality: array}` of arrays `(samples,)`, floats from 0 to 1; 1
            where there is no evidence, as of an absent modality. See `EvidenceFusion`.

        Raises:
            ValueError: a model of another method.

        Example:

        >>> import numpy as np
        >>> import keras_fusion as kf
        >>> model = kf.build_trusted([kf.backbones.mlp(4), kf.backbones.mlp(6)])
        >>> found = model.uncertainty({"mlp": np.zeros((3, 4)), "mlp_2": np.zeros((3, 6))})
        >>> found["central"].shape
        (3,)
        """
        found = uncertainty_of(self, self._with_present(self._checked(x)))
        return {name: ops.convert_to_numpy(values) for name, values in found.items()}

    def decode(self, x):
        """The most likely labels of whole sequences, of models with a CRF (`build_crf_fusion`).

        Args:
            x: As `predict` takes it: a dict of arrays keyed by modality.

        Returns:
            Array `(samples, steps)` of class indices; see `LinearChainCRF.decode`.

        Raises:
            ValueError: a model of another method.

        Example:

        >>> import numpy as np
        >>> import keras
        >>> import keras_fusion as kf
        >>> conv = keras.layers.Conv1D
        >>> nets = [
        ...     keras.Sequential([keras.Input((6, n)), conv(4, 3, padding="same")])
        ...     for n in (2, 3)
        ... ]
        >>> model = kf.build_crf_fusion(nets, per="step", num_classes=3)
        >>> x = {name: np.zeros((2, 6, n)) for name, n in zip(model.modalities, (2, 3))}
        >>> model.decode(x).shape
        (2, 6)
        """
        return ops.convert_to_numpy(decoded_of(self, self._with_present(self._checked(x))))

    def describe_fusion(self, print_fn=print):
        """Prints which tensors meet where, and how they were brought to one shape.

        For every layer in which modalities meet, from the inputs to the prediction: where each
        tensor comes from, its shape there, what it went through, and its shape as it meets the
        others. "central" is what has met before; its steps are the central network's.

        Args:
            print_fn: Function that takes a string, called once for each such layer. Defaults to
                `print`.

        Example:

        >>> import keras_fusion as kf
        >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(6)}
        >>> model = kf.build_centralnet(nets)
        >>> model.describe_fusion(lambda text: print(text.splitlines()[0]))
        fusion_0 (CentralFusion), 1024
        fusion_1 (CentralFusion), 10
        """
        for fusion in fusions_of(self):
            print_fn(str(fusion))

    # ---- calling it

    def call(self, inputs, training=None, mask=None):
        inputs = self._with_present(check_inputs(inputs, self.input))
        inputs = {name: inputs[name] for name in self.input}
        if isinstance(mask, dict):
            mask = {name: mask.get(name) for name in self.input}
        if self._fusion.evidence is not None:
            return self._fusion.evidence.call(inputs, training, mask)
        return super().call(inputs, training=training, mask=mask)

    def _with_present(self, inputs):
        return with_present(inputs, self.modalities) if self.has_present else inputs

    # ---- one loss and one list of metrics for all heads

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        *,
        unimodal_loss_weights=None,
    ):
        """Configures training, as `keras.Model.compile` does, for all heads at once.

        Args:
            optimizer, run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: As in Keras.
            loss, loss_weights, metrics, weighted_metrics: As in Keras; but a single loss, or a list
                of metrics, is meant for every head, and a dict `{head: ...}` for the heads it
                names. A metric object is copied for every head.
            unimodal_loss_weights: Optional float >= 0 for every modality, or a dict
                `{modality: float}`: the betas of Eq. (2). Not together with `loss_weights`.
                Defaults to those of the builder (1 for CentralNet).
        """
        how = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        given = {  # what a saved model keeps, so in plain numbers
            "loss": loss,
            "loss_weights": plain(loss_weights),
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "unimodal_loss_weights": plain(unimodal_loss_weights),
            **how,
        }
        if loss_weights is not None and unimodal_loss_weights is not None:
            raise ValueError(
                "expected loss_weights or unimodal_loss_weights, not both. Received: "
                f"{loss_weights!r} and {unimodal_loss_weights!r}"
            )
        losses = per_head(loss, self.heads, "loss")
        default = self._fusion.default_weights
        betas = default if unimodal_loss_weights is None else unimodal_loss_weights
        betas = loss_weights_of(betas, self.heads)
        if loss_weights is not None:
            loss_weights = weights_by_head(loss_weights, self.heads)
        elif loss is not None:
            loss_weights = betas
        metrics = per_head(metrics, self.heads, "metrics", copy_objects=True)
        weighted = per_head(weighted_metrics, self.heads, "weighted_metrics", copy_objects=True)
        check_known(optimizer, losses, {"metrics": metrics, "weighted_metrics": weighted})
        given_metrics = (metrics or {}, weighted or {})
        lists = [losses or {}, *given_metrics]
        scored = [head for head in self.heads if any(found.get(head) for found in lists)]
        evidence = None
        if any(reads_more(one) for one in (losses or {}).values()):
            evidence = HeadEvidence(self, losses)
            losses = evidence.losses
        own = None
        if self.has_present and metrics:
            # Of these the mask alone leaves out samples; in Keras a mask is a weight.
            own = {head: metrics[head] if head in self.modalities else None for head in self.heads}
            metrics = {head: None if own[head] else metrics[head] for head in self.heads}
        super().compile(
            optimizer=optimizer,
            loss=losses,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted,
            **how,
        )
        self._fusion.arguments = given
        self._fusion.losses, self._fusion.scored = losses, scored
        self._fusion.metrics = given_metrics
        self._fusion.evidence = evidence
        if self._fusion.balance is not None:
            self._fusion.balance.set_betas(losses or {}, loss_weights or {})
        self._fusion.head_metrics = None
        if own is not None and any(own.values()):
            self._fusion.head_metrics = metrics_of_heads(self, own)
        self._fusion.added_loss = keras.metrics.Mean("added_loss") if len(self.heads) == 1 else None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        given = sample_weight
        y, sample_weight = self._for_heads(x, y, y_pred, given)
        check_shapes(y, y_pred, self._fusion.losses)
        tracker = self._fusion.added_loss
        if tracker is not None and (added := self.losses):
            total = sum(ops.sum(ops.cast(loss, "float32")) for loss in added)
            tracker.update_state(total, sample_weight=ops.shape(y_pred["central"])[0])
        evidence = self._fusion.evidence
        scored = y_pred
        if evidence is not None:
            scored, sample_weight = evidence.of(y_pred), evidence.weights(given, sample_weight)
        if self._fusion.balance is None or not training:
            loss = super().compute_loss(x, y, scored, sample_weight, training=training)
        else:
            loss = self._balanced_loss(x, y, y_pred, scored, sample_weight)
        return weighed_by_samples(loss, ops.shape(y_pred["central"])[0]) if training else loss

    def _balanced_loss(self, x, y, y_pred, scored, sample_weight):
        balance = self._fusion.balance
        with balance.weighing(self, y, scored):
            loss = super().compute_loss(x, y, scored, sample_weight, training=True)
        present = x.get("present") if self.has_present and isinstance(x, dict) else None
        added = balance.added(self, y, y_pred, present)
        return loss if added is None else loss + added

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if self._fusion.head_metrics is not None:
            targets, mask = self._for_heads(x, y, y_pred, None)
            self._fusion.head_metrics.update_state(targets, y_pred, mask)
        y, sample_weight = self._for_heads(x, y, y_pred, sample_weight)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self):
        own = [self._fusion.head_metrics, self._fusion.added_loss]
        return [*super().metrics, *(metric for metric in own if metric is not None)]

    def get_metrics_result(self):
        results = super().get_metrics_result()
        if self._fusion.head_metrics is not None:
            add_weighted(results, self.metrics, self._fusion.head_metrics, self.heads)
        if len(self.heads) > 1:
            return results
        # Keras leaves out the name of a single head; comparing methods wants one name for all.
        # Nor does it part the head's loss from what layers add to the total (`add_loss`,
        # regularizers).
        added = results.pop("added_loss", 0.0)
        named = {k if k == "loss" else f"central_{k}": value for k, value in results.items()}
        return {**named, "central_loss": results["loss"] - added}

    def _for_heads(self, x, y, y_pred, sample_weight):
        """The target and the sample weights of every head."""
        present = x.get("present") if self.has_present and isinstance(x, dict) else None
        weights = head_sample_weights(sample_weight, y_pred, present, sorted(self.modalities))
        return spread_targets(y, y_pred, self._fusion.scored), weights

    # ---- Keras' methods, with the data checked first and nothing lost on an error

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=None,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        **kwargs,
    ):
        """Trains the model, as `keras.Model.fit` does, on one target for all heads.

        Callbacks with `mode="auto"` that watch a head, as "val_central_accuracy", learn from its
        metric whether more is better; they are an error where it does not say.

        Args:
            shuffle: Optional boolean, as in Keras. Defaults to `None`: arrays are shuffled, and
                data sets that know the order of every epoch (`datasets.as_pydataset`) keep it.
                Those start with the order of the epoch at which training starts or goes on.

        The other arguments and the result are those of Keras.

        Raises:
            TypeError, ValueError: data, targets, weights or numbers with which Keras would fail
                deep inside, or train something else than was meant; before anything is trained.
        """
        how = {
            "batch_size": batch_size,
            "epochs": epochs,
            "validation_split": validation_split,
            "initial_epoch": initial_epoch,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
            "validation_batch_size": validation_batch_size,
            "validation_freq": validation_freq,
        }
        check_fit(**how)
        if shuffle is None:
            shuffle = not hasattr(x, "set_epoch")
        check_batches(x, batch_size, validation_split)
        if isinstance(validation_data, (tuple, list)) and validation_data:
            check_batches(validation_data[0], validation_batch_size or batch_size)
            found = self._data(*validation_data[:3])
            validation_data = (*found[: len(validation_data)], *validation_data[3:])
        x, y, sample_weight = self._data(x, y, sample_weight, class_weight)
        validates = validation_data is not None or validation_split > 0
        callbacks = fit_callbacks(
            callbacks, x, shuffle, steps_per_epoch, self._fusion.balance, validates
        )
        give_directions(callbacks, self)
        return run_or_restore(
            self,
            super().fit,
            x,
            y,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            **how,
            **kwargs,
        )

    def evaluate(
        self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, *args, **kwargs
    ):
        check_batches(x, batch_size)
        x, y, sample_weight = self._data(x, y, sample_weight)
        given = (x, y, batch_size, verbose, sample_weight, *args)
        return run_or_restore(self, super().evaluate, *given, **kwargs)

    def predict(self, x, *args, **kwargs):
        x, samples = padded(self._checked(x))
        predicted = run_or_restore(self, super().predict, x, *args, **kwargs)
        if samples is None:
            return predicted
        return {head: values[:samples] for head, values in predicted.items()}

    def zero_grad(self, set_to_none=True):
        """PyTorch backend only: forgets the gradients of the step before, of every weight.

        Keras itself finds them by the weights' paths, and forgets only one of two that have the
        same path, as in two backbones of one architecture; the others' gradients would add up
        from step to step.
        """
        for variable in self.trainable_variables:
            variable.value.grad = None

    def make_train_function(self, force=False):
        # As in `build_compiled`: no variable is made in a step.
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        super().make_train_function(force)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        x, y, sample_weight = self._data(x, y, sample_weight, class_weight)
        return super().train_on_batch(x, y, sample_weight, class_weight, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        x, y, sample_weight = self._data(x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, **kwargs)

    def predict_on_batch(self, x):
        return super().predict_on_batch(self._checked(x))

    def _data(self, x, y=None, sample_weight=None, class_weight=None, in_batches=False):
        """What is trained or scored on, checked: the model's keys, and labels that fit.

        With `in_batches` arrays on disk are left to who reads them.
        """
        if not self.compiled:
            raise ValueError(
                f'model: expected one that is compiled, by compile(). Received: "{self.name}", '
                "which is not"
            )
        x, losses = self._checked(x), self._fusion.losses
        if isinstance(x, dict):
            samples = count_samples(x)
            if samples == 0:
                raise ValueError("x: expected at least one sample. Received: none")
            check_finite_inputs(x, self.input, in_batches)
            if isinstance(y, dict):
                y = spread_targets(y, self.output, self._fusion.scored)
            check_targets(y, losses, self.output, samples)
            sample_weight = spread_weights(sample_weight, y, self.output, samples)
            if y is not None:
                targets = spread_targets(y, self.output, self._fusion.scored)
                build_compiled(self, targets, self._fusion.head_metrics)
        check_class_weight(class_weight, y, losses, self.output)
        return x, y, sample_weight

    def _checked(self, x):
        """`x` with the model's keys only, where it is data rather than a data set."""
        return checked_data(x, self.input)

    # ---- saving

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Saves the model, as `keras.Model.save` does; a kill or a full disk leaves the old file.

        Args:
            filepath, overwrite, zipped, **kwargs: As in Keras. The file is written whole or not at
                all, for which there has to be room for the old and the new one. With
                `zipped=False`, and at a remote address, Keras writes in place.
        """
        if kwargs.get("include_optimizer", True):
            check_hdf5(self, filepath)
        suffixes = () if zipped is False else (".keras", ".h5", ".hdf5")
        save_whole(super().save, filepath, overwrite, suffixes, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Saves the weights, as `keras.Model.save_weights` does, whole or not at all.

        Args:
            filepath, overwrite, max_shard_size: As in Keras, which writes shards in place.
        """
        suffixes = ".weights.h5" if max_shard_size is None else ()
        options = {"max_shard_size": max_shard_size}
        save_whole(super().save_weights, filepath, overwrite, suffixes, **options)

    def get_config(self):
        config = {
            **super().get_config(),
            "fusion_levels": [dict(level) for level in self._fusion.levels],
            "unimodal_loss_weights": self._fusion.default_weights,
        }
        if self._fusion.balance is not None:
            config["balance"] = dict(self._fusion.balance.config)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # What was saved once loads, whatever its names.
        loaded = {"is_loaded": True} if "layers" in config else {}
        return super().from_config({**config, **loaded}, custom_objects)

    def get_state_tree(self, value_format="backend_tensor"):
        """The values of all variables as nested dicts, as in Keras, for savers such as Orbax'.

        Args:
            value_format: As in Keras.

        Where two backbones have layers of the same names, those of the second are called `h_2`.
        """
        return state_tree(self, value_format)

    def set_state_tree(self, state_tree):
        set_state_tree(self, state_tree)

    def get_compile_config(self):
        if not self.compiled or self._fusion.arguments is None:
            return None
        arguments = {**self._fusion.arguments, "optimizer": self.optimizer}
        return keras.saving.serialize_keras_object(arguments)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)
