"""Scores of a model with growing noise in one of its modalities."""

import keras
import numpy as np

from keras_fusion._checks import check_int
from keras_fusion.models import FusionModel
from keras_fusion.models.fusion_model import check_inputs


class NoiseCurves(dict):
    """Scores per modality and signal-to-noise ratio; printed it is a table. See `noise_curves`.

    A dictionary `{modality: {snr: {"loss": float, metric: float}}}`.

    Example:

    >>> import keras_fusion as kf
    >>> print(kf.evaluation.NoiseCurves({"a": {0.0: {"accuracy": 0.5}}}))
    modality  SNR (dB)  accuracy
    a              0.0    0.5000
    """

    def __str__(self):
        names = list(dict.fromkeys(n for of in self.values() for s in of.values() for n in s))
        rows = [["modality", "SNR (dB)", *names]]
        for modality, curve in self.items():
            for snr, scores in curve.items():
                cells = [f"{scores[name]:.4f}" for name in names]
                rows.append([modality, f"{snr:.1f}", *cells])
        wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]) for row in rows
        )


def add_noise(signal, snr, seed=0):
    """Adds white Gaussian noise of a given signal-to-noise ratio to every sample.

        noise power = signal power / 10^(snr / 10)

    The power is the mean square over all elements of a sample. With one seed the noise of two
    ratios differs by a factor alone.

    Args:
        signal: Array of floats, or of unsigned bytes, `(samples, ...)`.
        snr: Float, in decibels; infinity adds nothing.
        seed: Integer, or a sequence of integers. Defaults to `0`.

    Returns:
        Array of float32. Samples with NaN, such as those of an absent modality, stay NaN.

    Raises:
        TypeError: an array of other numbers, such as tokens.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> noisy = kf.evaluation.add_noise(np.ones((1, 10000)), snr=20)
    >>> print(round(float(np.std(noisy)), 2))
    0.1
    """
    signal = np.asarray(signal)
    if signal.dtype.kind != "f" and signal.dtype != np.uint8:
        raise TypeError(f"signal: expected floats or unsigned bytes. Received: {signal.dtype}")
    if isinstance(snr, bool) or not isinstance(snr, (int, float)) or not snr > -np.inf:
        raise ValueError(f"snr: expected decibels, a float. Received: {snr!r}")
    signal = signal.astype("float32")
    axes = tuple(range(1, signal.ndim))
    power = np.mean(np.square(signal), axis=axes, keepdims=True)
    noise = np.random.default_rng(seed).standard_normal(signal.shape, dtype="float32")
    return signal + noise * np.sqrt(power * np.float32(10 ** (-snr / 10)))


def noise_curves(model, x, y, snrs=(20, 10, 5, 0, -5, -10), modalities=None, batch_size=32, seed=0):
    """Scores a model with noise of growing power in one modality at a time.

    Use it to see how much the fusion leans on a modality, and whether it turns to the others when
    one becomes useless. The other modalities stay as they are.

    Args:
        model: Compiled `FusionModel`.
        x: Dictionary of arrays, as for `evaluate`.
        y: Array of targets, or a dictionary `{head: array}`.
        snrs: Sequence of signal-to-noise ratios in decibels. The data as they are come first, as
            infinity. Defaults to `(20, 10, 5, 0, -5, -10)`.
        modalities: List of strings, the modalities to add noise to. Defaults to all of them.
        batch_size: Positive integer, as for `evaluate`. Defaults to `32`.
        seed: Integer. Defaults to `0`.

    Returns:
        `NoiseCurves`, a dictionary `{modality: {snr: {"loss": float, metric: float}}}`, the scores
        being those of the central prediction.

    Raises:
        TypeError: not a fusion model, `x` is no dict, or a modality that is no array of floats or
            unsigned bytes.
        ValueError: a model that is not compiled, or an unknown modality.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.build_gmu({"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = {"image": np.ones((8, 4)), "sound": np.ones((8, 6))}, np.arange(8)
    >>> curves = kf.evaluation.noise_curves(model, x, y, snrs=[0, -10])
    >>> list(curves["sound"]), sorted(curves["sound"][-10.0])
    ([inf, 0.0, -10.0], ['accuracy', 'loss'])
    """
    if not isinstance(model, FusionModel):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    if not model.compiled:
        raise ValueError(f'model: expected a compiled model. Received: "{model.name}"')
    if not isinstance(x, dict):
        raise TypeError(f"x: expected a dict of arrays. Received: {type(x).__name__}")
    check_int("batch_size", batch_size)
    check_inputs(x, model.input)
    if isinstance(modalities, str):
        raise TypeError(f"modalities: expected a list of names. Received: {modalities!r}")
    for snr in snrs if isinstance(snrs, (list, tuple, range, np.ndarray)) else [None]:
        if isinstance(snr, bool) or not isinstance(snr, (int, float, np.number)):
            raise TypeError(f"snrs: expected a sequence of decibels, floats. Received: {snrs!r}")
    names = sorted(model.modalities) if modalities is None else list(modalities)
    unknown = [name for name in names if name not in model.modalities]
    if unknown:
        raise ValueError(
            f"modalities: expected some of {sorted(model.modalities)}. Received: {unknown}"
        )

    def scores(inputs):
        found = model.evaluate(inputs, y, batch_size=batch_size, verbose=0, return_dict=True)
        return {
            name.removeprefix("central_"): float(score)
            for name, score in found.items()
            if name.startswith("central_")
        }

    clean = scores(x)
    curves = NoiseCurves()
    for number, name in enumerate(names):
        if isinstance(x[name], dict):
            raise TypeError(f"x[{name!r}]: expected an array. Received: a dict of several inputs")
        curves[name] = {np.inf: clean}
        for snr in snrs:
            noisy = add_noise(keras.ops.convert_to_numpy(x[name]), snr, [seed, number])
            curves[name][float(snr)] = scores({**x, name: noisy})
    return curves
