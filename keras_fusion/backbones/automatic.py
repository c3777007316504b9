"""A network for each modality of a data set, chosen by what its values are."""

import keras
import numpy as np

from keras_fusion._checks import check_bool
from keras_fusion.backbones import _chosen
from keras_fusion.datasets.encoding import fit_encoder


class Networks(dict):
    """What `auto` returns: `{modality: keras.Model}`, and the encoder of raw values."""

    def __init__(self, networks, encoder):
        super().__init__(networks)
        self.encoder = encoder


def auto(x, y=None, *, kinds=None, in_model=False, verbose=True):
    """Makes a network for each modality, by the shapes and types of the training data.

    Use it to begin with: `kf.build_centralnet(kf.backbones.auto(data))`. It prints what it chose,
    in calls that can be made by hand; `networks["photo"] = my_model` puts another in its place.

    - Vectors, and tables of numbers and categories: `mlp`.
    - Images, maps, spectrograms: `lenet5`; `audio_cnn`, which is deeper, from 32 pixels up. For
      photographs `pretrained` is worth a try.
    - Sequences: `gru`, from 32 steps up `cnn_1d`.
    - Texts: `text_encoder`.

    All but the text's begin with a `Normalization` that knows the means and variances of the
    training data (at most 2,000 samples); columns of 0 and 1 pass it unchanged.

    Strings, categories and gaps are encoded outside the model, on every backend: by
    `data.encoder` where `data` is of `from_dataframe`, else by the attribute `encoder` of what is
    returned. `networks.encoder(x)` is what the model then takes; it can be saved.

    Args:
        x: Data set as of `kf.datasets.from_dataframe` or `load_data`, of which the part "train" is
            used; or the training data alone, a dict keyed by modality of arrays, lists of strings,
            DataFrames or dicts of columns.
        y: Array of labels where `x` is no data set: integers `(samples,)` for classes, zeros and
            ones `(samples, classes)`, floats for a regression. Defaults to `None`.
        kinds: Optional dict `{modality or column: kind}`, where the values do not show it: "number"
            or "category" for a column; "text", "image" or "sound" for strings; "vector",
            "sequence", "image" or "ids" (token ids, 0 for padding) for an array. Defaults to
            `None`.
        in_model: Boolean, whether texts and categories stay strings, for networks that encode them
            (TensorFlow): the saved model is complete then. Defaults to `False`.
        verbose: Boolean, whether to print what was chosen. Defaults to `True`.

    Returns:
        Dict `{modality: keras.Model}`, for any builder, with an attribute `encoder`. The networks
        end in a softmax, for several labels at once in a sigmoid. For a regression they end in
        numbers: then give the builder `units=`.

    Raises:
        TypeError: `x` is no dict, or an argument is of a wrong type.
        ValueError: values for which there is no network, labels that are none, or another argument
            out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {
    ...     "image": np.ones((6, 28, 28), "uint8"),
    ...     "review": ["so warm", "too small", "soft", "so small", "warm", "so so"],
    ... }
    >>> networks = kf.backbones.auto(x, np.array([0, 1, 2, 0, 1, 2]))
    image   image: 28x28 -> Normalization, lenet5((28, 28, 1), num_classes=3)
    review  text: 5 words, the first 2 of each -> text_encoder(7, 2, num_classes=3)
    >>> model = kf.build_centralnet(networks)
    >>> model.predict(networks.encoder(x), verbose=0)["central"].shape
    (6, 3)
    """
    check_bool("verbose", verbose)
    encoder = known = getattr(x, "encoder", None)
    if isinstance(x, dict) and isinstance(x.get("train"), (tuple, list)):
        if y is not None:
            raise ValueError("y: expected None, as x is a data set with labels. Received: others")
        x, y = x["train"]
    if encoder is None:
        encoder = fit_encoder(x, kinds, in_model)
        x = encoder(x, lazy=True)
        encoder.masked = "present" in x
    elif kinds or in_model:
        raise ValueError(
            "kinds, in_model: expected as arguments of from_dataframe, as its encoder has them. "
            f"Received: kinds={kinds!r}, in_model={in_model!r}"
        )
    end = _end(y, encoder.classes)
    networks, order = {}, sorted(encoder.parts)
    for name, part in encoder.parts.items():
        present = None
        if "present" in x:
            present = np.asarray(x["present"])[:, order.index(name)] != 0
        networks[name], said = _chosen.network(part, x[name], present, end)
        if verbose:
            said = said if known else f"{part} -> {said}"  # from_dataframe said the first half
            print(f"{name:<{max(map(len, order))}}  {said}")
    if verbose and end["activation"] is None:
        print(f"y is numbers: give units={end['num_classes']} to the builder")
    return Networks(networks, encoder)


def _end(y, classes):
    """Units and activation of the predictions."""
    if classes is not None:
        return {"num_classes": len(classes), "activation": "softmax"}
    if y is not None:
        y = keras.ops.convert_to_numpy(y) if keras.ops.is_tensor(y) else np.asarray(y)
    if y is None or y.ndim not in (1, 2) or y.dtype.kind not in "biuf" or not y.size:
        raise ValueError(
            "y: expected class indices, zeros and ones for several labels, or floats for a "
            f"regression; np.unique(y, return_inverse=True) makes indices of strings. Received: "
            f"{None if y is None else f'{y.dtype} of {y.shape}'}"
        )
    width = y.shape[1] if y.ndim == 2 else 1
    if width > 1 and np.isin(y, (0, 1)).all():
        alone = (y.sum(axis=1) == 1).all()
        return {"num_classes": width, "activation": "softmax" if alone else "sigmoid"}
    if y.dtype.kind == "f":
        return {"num_classes": width, "activation": None}
    if width > 1 or y.min() < 0 or y.max() >= max(2, len(y)):
        raise ValueError(
            "y: expected class indices from 0 on, fewer than samples; make numbers that are to be "
            f"predicted floats. Received: {y.dtype} from {y.min()} to {y.max()} of {y.shape}"
        )
    return {"num_classes": max(2, int(y.max()) + 1), "activation": "softmax"}
