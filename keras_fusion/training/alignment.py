"""Trains backbones before they are fused: what belongs together gets similar embeddings."""

from itertools import combinations, permutations

import keras
import numpy as np
from keras import layers, ops

from keras_fusion._checks import check_bool, check_choice, check_int
from keras_fusion.metrics import recall_at_k, unit_length
from keras_fusion.models.assembly import features_model, named_backbones
from keras_fusion.models.fusion_model import (
    check_finite_inputs,
    check_known,
    checked_data,
    count_samples,
    fit_callbacks,
    run_or_restore,
)
from keras_fusion.training._alignment_losses import canonical
from keras_fusion.training._alignment_model import STARTS, Aligner, Batches, arrays
from keras_fusion.training._replica_data import check_data_set, is_data_set


def align(
    backbones,
    data,
    loss="infonce",
    units=64,
    epochs=1,
    batch_size=128,
    validation_data=None,
    optimizer="adam",
    callbacks=None,
    seed=0,
    ends_in=None,
    missing_modalities=None,
    verbose=0,
):
    """Trains backbones on pairs without labels, until what belongs together is alike.

    Use it before a fusion where few samples have labels and many have none: the backbones are
    trained in place, and go into any builder afterwards. What is trained is each of them up to its
    features, its last hidden fusion point, which `FusionBuilder.features` gives; its prediction,
    if it has one, stays as it is, and so do layers that are frozen. The features h_k of modality k
    are brought to u_k = W_k h_k, W_k being trained too and then left behind, in `Alignment.model`.

    Of two modalities a and b, with the cosine s_ij of u_a of sample i and u_b of sample j in a
    batch of B, and the trained t (from log(1 / 0.07) on, at most log 100) or t' and b (from log 10
    and -10 on):

        infonce      cross-entropy of exp(t) s_ij to find j = i, mean of rows and columns
        siglip       - 1/B sum_ij log sigmoid(l_ij (exp(t') s_ij + b)), l_ii = 1, else -1
        dcca         - sum of the canonical correlations, covariances + 0.001 I
        correlation  - sum over the units of their correlations

    With more modalities these are summed over all pairs. "symile" takes all modalities at once:
    the score of samples is the sum over the units of the product of their u_k, and the partners of
    a modality's sample are told from others, which are drawn anew for every batch.

    Larger batches are better: they are where the negatives come from, and "dcca" needs several
    times more samples than units, else all correlations are near 1. "correlation" is what CorrNet
    adds to its reconstructions, which are left out: alone it does not keep units from becoming
    alike. On several devices each device looks for partners in its own part of a batch.

    Args:
        backbones: Dictionary `{modality: keras.Model}`, or a list of models; see
            `build_centralnet`. They are trained in place.
        data: Dictionary `{modality: array}`, as for `fit`, of samples that belong together; with
            "present" a sample counts for the pairs of modalities that it has ("symile": if it has
            all). Or a data set that `fit` takes; its targets are not used.
        loss: String, "infonce", "siglip", "symile", "dcca" or "correlation". Defaults to
            `"infonce"`.
        units: Positive integer, the width of the embeddings. Defaults to `64`.
        epochs: Positive integer. Defaults to `1`.
        batch_size: Positive integer. What is left after the last whole batch of an epoch is left
            out of it, as a loss among fewer samples has another scale. Not used for data sets.
            Defaults to `128`.
        validation_data: Optional dictionary of arrays or data set, for "val_loss". Defaults to
            `None`.
        optimizer: String, or an optimizer of which a copy is used. Defaults to `"adam"`.
        callbacks: Optional list of `keras.callbacks.Callback`. Defaults to `None`.
        seed: Non-negative integer, of the order of the samples, of the first W_k and of the
            negatives of "symile". Backbones and their dropout have seeds of their own. Defaults to
            `0`.
        ends_in: See `build_centralnet`. Defaults to `None`.
        missing_modalities: Optional boolean, whether modalities may be absent. Defaults to `None`:
            if `data` is a dictionary with "present".
        verbose: As in `fit`. Defaults to `0`.

    Returns:
        `Alignment`.

    Raises:
        TypeError, ValueError: an argument that is not as above, backbones that do not fit, or NaN
            in `data`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)}
    >>> pairs = {"image": np.random.rand(32, 4), "sound": np.random.rand(32, 6)}
    >>> aligned = kf.training.align(nets, pairs, epochs=2, batch_size=16)
    >>> len(aligned.history["loss"])
    2
    >>> list(aligned.evaluate(pairs, k=[1, 5]))
    [('image', 'sound'), ('sound', 'image')]
    >>> fused = kf.build_gmu(aligned.backbones)

    Reference:
        Radford et al. (2021), Learning Transferable Visual Models From Natural Language
        Supervision (InfoNCE). Zhai et al. (2023), Sigmoid Loss for Language Image Pre-Training.
        Saporta et al. (2024), Contrasting with Symile. Andrew et al. (2013), Deep Canonical
        Correlation Analysis. Chandar et al. (2016), Correlational Neural Networks.
    """
    check_choice("loss", loss, list(STARTS))
    units, epochs = check_int("units", units), check_int("epochs", epochs)
    batch_size, seed = check_int("batch_size", batch_size), check_int("seed", seed, 0)
    check_known(optimizer, {}, {})
    if missing_modalities is None:
        missing_modalities = isinstance(data, dict) and "present" in data
    missing_modalities = check_bool("missing_modalities", missing_modalities)
    backbones = named_backbones(backbones)
    order = list(backbones)

    def projection(name, features):
        # Seeds of their own, or equal features would start with equal embeddings; in float32, as
        # the losses have exponentials and inverses.
        start = keras.initializers.GlorotUniform(seed + order.index(name))
        dense = layers.Dense(
            units, kernel_initializer=start, dtype="float32", name=f"{name}_dense_0"
        )
        return dense(features)

    model = features_model(backbones, ends_in, missing_modalities, projection)
    batches = _checked("data", data, model)
    if isinstance(batches, dict):
        batches = Batches(arrays(batches), seed, batch_size)
    if validation_data is not None:
        validation_data = _checked("validation_data", validation_data, model)
    aligner = Aligner(model, loss, seed)
    rule = keras.optimizers.get(optimizer)
    rule = rule.from_config(rule.get_config())
    if aligner.scalars:
        rule.exclude_from_weight_decay(var_list=list(aligner.scalars.values()))
    aligner.compile(rule)
    shuffle = not hasattr(batches, "set_epoch")
    history = run_or_restore(
        aligner,
        aligner.fit,
        batches,
        epochs=epochs,
        validation_data=validation_data,
        validation_batch_size=batch_size,
        callbacks=fit_callbacks(callbacks, batches, shuffle, None),
        shuffle=shuffle,
        verbose=verbose,
    )
    maps = {}
    if loss in ("dcca", "correlation"):
        maps = _maps(_predicted(aligner, batches, batch_size), order, loss)
    return Alignment(backbones, history.history, aligner, maps)


class Alignment:
    """Backbones that `align` trained, and how well partners are found by what they say.

    Attributes:
        backbones: Dictionary `{modality: keras.Model}`, the same objects that `align` was given,
            for any builder.
        model: `keras.Model` from a dictionary of inputs to the embeddings `{modality: (batch,
            units)}`, of the backbones' own layers and the trained W_k. Cosines compare them.
        history: Dictionary `{name: list of floats}`, that of `fit`: "loss" and "val_loss".

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.mlp(4, name="a"), kf.backbones.mlp(6, name="b")]
    >>> pairs = {"a": np.random.rand(32, 4), "b": np.random.rand(32, 6)}
    >>> aligned = kf.training.align(nets, pairs)
    >>> aligned.model.predict(pairs, verbose=0)["a"].shape
    (32, 64)
    """

    def __init__(self, backbones, history, aligner, maps):
        self.backbones, self.history, self.model = backbones, history, aligner.embeddings
        self._aligner, self._maps = aligner, maps

    def __repr__(self):
        return f"<Alignment: {self._aligner.kind} of {list(self.backbones)}>"

    def evaluate(self, data, k=(1, 5, 10), batch_size=128):
        """Recall at K: how often a sample's partner is among the K most alike of all in `data`.

        Alike is the cosine of the embeddings; with "dcca" after the linear canonical correlation
        analysis of each pair, with "correlation" of the standardized units, both as fitted on what
        was trained on. Samples that are equally alike count as if drawn in any order, so that
        embeddings that are all equal give K of the number of samples. Of every pair only the
        samples count that have both modalities.

        Args:
            data: Dictionary of arrays, maybe with "present", or a data set, as for `align`;
                held-out samples.
            k: Sequence of positive integers. Defaults to `(1, 5, 10)`.
            batch_size: Positive integer. Not used for data sets. Defaults to `128`.

        Returns:
            Dictionary `{(from, to): {"samples": int, "recall@1": float, ...}}` of every ordered
            pair of modalities; NaN where no sample has both. With "symile" the partner in the last
            modality is found by the product of all others: `{(others ..., to): ...}`.
        """
        if not isinstance(k, (list, tuple)) or not k:
            raise TypeError(f"k: expected a sequence of ints. Received: {k!r}")
        ks = [check_int("k", value) for value in k]
        data = _checked("data", data, self.model)
        predicted = _predicted(self._aligner, data, check_int("batch_size", batch_size))
        found, names = {}, list(self.backbones)
        if self._aligner.kind == "symile":
            for b in names:
                others = [name for name in names if name != b]
                *xs, y = _here(predicted, [*others, b])
                x = np.prod([unit_length(x) for x in xs], axis=0)
                found[*others, b] = {"samples": len(y), **recall_at_k(x, y, ks)}
            return found
        for a, b in permutations(names, 2):
            x, y = _here(predicted, [a, b])
            if self._maps:
                x, y = (
                    (v - mean) @ w for v, (mean, w) in zip((x, y), self._maps[a, b], strict=True)
                )
            found[a, b] = {"samples": len(x), **recall_at_k(x, y, ks)}
        return found


def _checked(label, data, model):
    """Arrays of what the model reads, checked; a data set as it is."""
    if is_data_set(data):
        check_data_set(label, data)
        return data
    if not isinstance(data, dict):
        raise TypeError(
            f"{label}: expected a dict of arrays, keyed by modality, or a data set. "
            f"Received: {type(data).__name__}"
        )
    data = checked_data(data, model.input)
    if count_samples(data) == 0:
        raise ValueError(f"{label}: expected at least one sample. Received: none")
    check_finite_inputs(data, model.input, in_batches=label == "data")
    return data


def _predicted(aligner, data, batch_size):
    return run_or_restore(aligner, aligner.predict, data, batch_size=batch_size, verbose=0)


def _here(predicted, asked):
    """The embeddings of some modalities in the samples that have all of them, in float64."""
    names = sorted(name for name in predicted if name != "present")
    columns = [names.index(name) for name in asked]
    here = np.asarray(predicted["present"])[:, columns].all(axis=1)
    return tuple(np.asarray(predicted[name], "float64")[here] for name in asked)


def _maps(predicted, names, loss):
    """For every ordered pair the means and matrices after which its embeddings can be compared."""
    maps = {}
    for a, b in combinations(names, 2):
        pair = _here(predicted, [a, b])
        if len(pair[0]) < 2:
            pair = tuple(np.zeros((2, x.shape[1])) for x in pair)
        if loss == "dcca":
            a_and_b = (ops.convert_to_tensor(x, "float32") for x in pair)
            _, *matrices, _ = canonical(*a_and_b, ops.ones(len(pair[0])))
        else:
            matrices = [np.diag(1 / np.sqrt(x.var(axis=0) + 1e-8)) for x in pair]
        means = (x.mean(axis=0) for x in pair)
        matrices = (ops.convert_to_numpy(w) for w in matrices)
        maps[a, b] = tuple(zip(means, matrices, strict=True))
        maps[b, a] = maps[a, b][::-1]
    return maps
