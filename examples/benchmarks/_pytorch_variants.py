"""What is measured in plain PyTorch: (d), eager, compiled, and eager in bfloat16 (d16)."""

import _plain_torch as plain
import numpy as np


def build(settings):
    """The variants, `{name: function that measures one visit}`, and facts for the report.

    Args:
        settings: Dict with "batch", "steps", and "reference": weights and predictions of the
            Keras network, which this one must reproduce.
    """
    batch, count = settings["batch"], settings["batch"] * (settings["steps"] + 1)
    random = np.random.default_rng(0)
    x = {name: random.random((count, 28, 28, 1), "float32") for name in plain.STREAMS[:2]}
    y = random.integers(0, 10, count)

    variants, about = {}, {}
    names = ("eager", "compiled", "16")
    for name in names if settings["mixed_bfloat16"] else names[:2]:
        model = plain.network()
        model.take(settings["reference"]["weights"])
        about["equality"] = same(model, settings["reference"])
        run = plain.training(model, x, y, batch, name == "compiled", name == "16")
        if name == "compiled":
            try:
                run()
            except RuntimeError as error:  # torch.compile needs a C++ compiler
                about["note"] = f"torch.compile does not work here: {str(error).splitlines()[0]}"
                continue
        variants["d16" if name == "16" else f"d {name}"] = lambda run=run: {"step": run()}
    return variants, about


def same(model, reference):
    """An error if the network is not that of Keras; else how far the predictions differ."""
    mine, theirs = plain.probabilities(model, reference["x"]), reference["predictions"]
    difference = max(np.abs(mine[head] - theirs[head]).max() for head in plain.STREAMS)
    parameters = sum(array.size for arrays in reference["weights"] for array in arrays)
    if not difference < 1e-5:
        raise RuntimeError(f"PyTorch's predictions differ from those of Keras by {difference:.1e}")
    return {"parameters": parameters, "difference": float(difference)}
