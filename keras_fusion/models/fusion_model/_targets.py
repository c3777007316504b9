"""One target, one loss and one list of metrics for all heads: their spread over the heads."""

import keras


def per_head(value, heads, label, copy_objects=False):
    """`{head: value}` for every head, from one value for all of them or a dict for some.

    Args:
        value: `None`, a single thing, a list (of metrics), or a dict keyed by head.
        heads: List of strings, names of the heads.
        label: String, name of the argument, for errors.
        copy_objects: Boolean, whether metric objects are copied, one for each head, and single
            metrics put into lists: Keras would share one object and mix the heads' values. Defaults
            to `False`.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        unknown = [head for head in value if head not in heads]
        if unknown:
            raise ValueError(f"{label}: expected the heads {heads}. Received: {list(value)}")
        spread = {head: value.get(head) for head in heads}
    elif isinstance(value, (list, tuple)) and not copy_objects:
        raise ValueError(
            f"{label}: expected one for all heads or a dict keyed by {heads}. Received: {value!r}"
        )
    else:
        spread = {head: value for head in heads}
    if not copy_objects:
        return spread
    return {head: _metrics(metrics) for head, metrics in spread.items()}


def _metrics(metrics):
    if metrics is None:
        return None
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return [
        type(m).from_config(m.get_config()) if isinstance(m, keras.metrics.Metric) else m
        for m in metrics
    ]


def spread_targets(y, y_pred, scored=None):
    """`{head: y}` for every head: a plain `y` serves all of them.

    Args:
        y: None, an array, or a dict of arrays.
        y_pred: Dict `{head: prediction}`.
        scored: Optional list of the heads that have a loss or a metric; the others need no target,
            and get that of another head. Defaults to `None`, all of them.
    """
    if y is None or not isinstance(y_pred, dict):
        return y
    if not isinstance(y, dict):
        return {head: y for head in y_pred}
    missing = [head for head in y_pred if head not in y]
    if needed := [head for head in missing if scored is None or head in scored]:
        raise ValueError(
            f"y: expected one array, or a dict with the heads {sorted(y_pred)}. "
            f"Received: {sorted(y)}, without {needed}"
        )
    any_target = next((y[head] for head in y_pred if head in y), None)
    return {head: y.get(head, any_target) for head in y_pred}


def add_weighted(results, metrics, head_metrics, heads):
    """Adds the weighted metrics whose names others have too, under the names that Keras gives.

    Args:
        results: Dict `{name: value}`, in which `head_metrics` come last.
        metrics: List of a model's metrics; those of some give a dict.
        head_metrics: The one among them whose names come first.
        heads: List of strings.
    """
    taken = head_metrics.result()
    for metric in metrics:
        found = metric.result()
        if metric is head_metrics or not isinstance(found, dict):
            continue
        for name in found.keys() & taken.keys():
            head = max((h for h in heads if name.startswith(f"{h}_")), key=len)
            # Some releases of Keras make floats of what is no symbol.
            value = float(found[name]) if isinstance(results[name], float) else found[name]
            results[f"{head}_weighted_{name[len(head) + 1 :]}"] = value
