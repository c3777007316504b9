"""Lines of the gradient norm and of the unimodal score of each modality over the epochs."""

from keras_fusion.plots._style import (
    CENTRAL,
    CENTRAL_COLOR,
    add_legend,
    end_at_one,
    finished,
    import_matplotlib,
    order_sources,
    set_log_scale,
    source_styles,
)

_KINDS = {"val_{}": "-", "{}": (0, (4, 1.5))}  # how a score is drawn


def plot_modality_balance(balance, metric=None, path=None, title=None):
    """Draws which modality was trained how strongly, and how well each predicts alone.

    Use it to see whether one modality starves another: its gradient norm falls by orders of
    magnitude while the other's own score is still low. Above are the gradient norms on a
    logarithmic scale (epoch 0 is the model before training), below are the scores of the heads
    if the model has unimodal heads, solid for validation and dashed for training data.

    Args:
        balance: A `ModalityBalance` after `fit()`.
        metric: String, the name of the score without `val_`, such as `"accuracy"` or `"loss"`.
            Defaults to the first that is not the loss, else the loss.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panels. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`, with one or two axes. It is not registered with pyplot.

    Raises:
        TypeError: if `balance` is no such callback.
        ValueError: if nothing was recorded, or no such `metric`.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = {"image": np.ones((8, 4)), "audio": np.ones((8, 6))}, np.zeros(8)
    >>> balance = kf.training.ModalityBalance(x, y)
    >>> _ = model.fit(x, y, verbose=0, callbacks=[balance])
    >>> figure = kf.plots.plot_modality_balance(balance)
    >>> [axes.get_title() for axes in figure.axes]
    ['gradient norm', 'accuracy']

    Reference:
        Wang et al. (2020), What Makes Training Multi-Modal Classification Networks Hard?
    """
    if not all(hasattr(balance, name) for name in ("epochs", "gradient_norms", "scores")):
        raise TypeError(f"balance: expected a ModalityBalance. Received: {balance!r}")
    if not balance.epochs:
        raise ValueError(
            "expected a record of at least one epoch: give the callback to `fit()` first. "
            f"Received: {balance!r}"
        )
    metric = _metric(balance.scores, metric)
    matplotlib = import_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(7, 5.6 if metric else 3.2), layout="constrained")
    axes = figure.subplots(2 if metric else 1, 1, sharex=True, squeeze=False)[:, 0]
    sources = order_sources(balance.gradient_norms[0])
    styles = source_styles(sources)
    marker = "o" if len(balance.epochs) <= 12 else None
    handles = []
    for name in sources:
        norms = [record[name] for record in balance.gradient_norms]
        color, hatch = styles[name]
        (line,) = axes[0].plot(
            balance.epochs,
            [norm if norm > 0 else float("nan") for norm in norms],
            label=name,
            marker=marker,
            markersize=3.5,
            color=color,
            linestyle="-." if hatch else "-",
        )
        handles.append(line)
    set_log_scale(axes[0].yaxis)
    axes[0].set_title("gradient norm", fontsize=10)
    if metric:
        _draw_scores(axes[1], balance, metric, styles, marker)
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.tick_params(labelsize=8)
    axes[-1].set_xlabel("Epoch", fontsize=9)
    axes[-1].xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    labels = list(sources)
    for key, style in _KINDS.items() if metric else ():
        if any(key.format(metric) in named for of in balance.scores for named in of.values()):
            line = matplotlib.lines.Line2D([], [], color=CENTRAL_COLOR, linestyle=style)
            handles.append(line)
            labels.append("validation score" if key.startswith("val_") else "training score")
    add_legend(figure, handles, labels, loc="outside right upper", fontsize=9)
    return finished(figure, path, title)


def _metric(scores, metric):
    """The name of the score that is drawn, or None if there are no unimodal scores."""
    unimodal = [named for record in scores for head, named in record.items() if head != CENTRAL]
    found = list(dict.fromkeys(name.removeprefix("val_") for named in unimodal for name in named))
    if metric is None:
        return next((name for name in found if name != "loss"), "loss") if found else None
    if metric not in found:
        raise ValueError(
            f"expected a `metric` that was recorded: one of {sorted(found)}. "
            f"Received: metric={metric!r}"
        )
    return metric


def _draw_scores(ax, balance, metric, styles, marker):
    heads = order_sources(head for record in balance.scores for head in record)
    for head in heads:
        for key, style in _KINDS.items():
            key = key.format(metric)
            points = [
                (epoch, record[head][key])
                for epoch, record in zip(balance.epochs, balance.scores, strict=True)
                if key in record.get(head, {})
            ]
            if points:
                options = {"marker": marker, "markersize": 3.5, "color": styles[head][0]}
                ax.plot(
                    *zip(*points, strict=True), label=f"{head} {key}", linestyle=style, **options
                )
    end_at_one(ax.yaxis, metric)
    ax.set_title(metric.replace("_", " "), fontsize=10)
