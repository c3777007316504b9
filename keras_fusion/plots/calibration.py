"""Figure of calibration: how often what is said with a probability is right."""

import numpy as np

from keras_fusion._checks import check_int
from keras_fusion.plots._style import (
    CENTRAL_COLOR,
    add_legend,
    finished,
    import_matplotlib,
    order_sources,
    source_styles,
)


def plot_calibration(predictions, y_true, bins=10, path=None, title=None):
    """Draws how often the heads of a model are right over how sure they are.

    Use it to see whether probabilities can be believed: above the dotted line a head is right more
    often than it says, below it less often. A sample's confidence is the probability of the class
    that is predicted; the area of a dot grows with the share of the samples in its bin.

    Args:
        predictions: Dictionary `{head: array}` of probabilities, `(samples, classes)`.
        y_true: Array of class indices, `(samples,)`.
        bins: Positive integer, how many bins [0, 1] is cut into. Defaults to `10`.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panel. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        TypeError, ValueError: predictions that are no probabilities of classes, or another number
            of samples.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> said = {"image": np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])}
    >>> figure = kf.plots.plot_calibration(said, [0, 1, 1])
    >>> figure.axes[0].get_ylabel()
    'share that is right'

    Reference:
        Guo et al. (2017), On Calibration of Modern Neural Networks, Fig. 1.
    """
    check_int("bins", bins)
    y_true = np.asarray(y_true)
    _check(predictions, y_true)
    matplotlib = import_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(4.8, 4.2), layout="constrained")
    axes = figure.subplots()
    heads = order_sources(predictions)
    styles = source_styles(heads)
    handles = [axes.plot([0, 1], [0, 1], ":", color=CENTRAL_COLOR, linewidth=0.8)[0]]
    for name in heads:
        said, right, share = reliability(np.asarray(predictions[name]), y_true, bins)
        color, hatch = styles[name]
        style = "-." if hatch else "-"
        handles += axes.plot(said, right, style, color=color, alpha=0.5, clip_on=False)
        axes.scatter(said, right, 8 + 120 * share, color=color, clip_on=False, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("confidence", fontsize=9)
    axes.set_ylabel("share that is right", fontsize=9)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)
    add_legend(axes, handles, ["as it says", *heads], fontsize=9)
    return finished(figure, path, title)


def reliability(probabilities, y_true, bins):
    """Mean confidence, share of right predictions and share of the samples, per bin that has any.

    Bins have their upper ends, as those of `metrics.ExpectedCalibrationError`.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    places = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    counts = np.bincount(places, minlength=bins)
    some = counts > 0
    said = np.bincount(places, confidence, bins)[some] / counts[some]
    return said, np.bincount(places, right, bins)[some] / counts[some], counts[some] / len(y_true)


def _check(predictions, y_true):
    if not isinstance(predictions, dict) or not predictions:
        raise TypeError(f"predictions: expected {{head: array}}. Received: {predictions!r}")
    if y_true.ndim != 1 or y_true.dtype.kind not in "iu":
        raise TypeError(
            f"y_true: expected class indices (samples,). Received: {y_true.dtype} of shape "
            f"{y_true.shape}"
        )
    for name, array in predictions.items():
        array = np.asarray(array)
        if array.ndim != 2 or len(array) != len(y_true):
            raise ValueError(
                f"predictions[{name!r}]: expected ({len(y_true)}, classes). Received: {array.shape}"
            )
        sums = array.sum(axis=1)
        if len(array) and not (array.min() >= 0 and np.abs(sums - 1).max() < 0.01):
            raise ValueError(
                f"predictions[{name!r}]: expected probabilities that sum to 1. Received: values "
                f"from {array.min()} to {array.max()}, sums from {sums.min()} to {sums.max()}"
            )
