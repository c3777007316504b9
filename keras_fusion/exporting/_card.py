"""The text of a model card: Markdown with a head of YAML, as the Hugging Face Hub reads it."""

import keras

from keras_fusion.evaluation import environment, modality_subsets

_TEXT = """\
---
library_name: keras
license: unknown # [fill in] an identifier of the Hub, such as apache-2.0
tags:
- keras-fusion
- multimodal
# datasets: [fill in] names of data sets on the Hub
---

# {name}

A multimodal model of {modalities}, made with keras_fusion.
[fill in] What it is for, and for whom.

## Use

```python
import keras
import keras_fusion  # makes its classes known to Keras

model = keras.saving.load_model("hf://[fill in] owner/name")  # or the path of this folder
predictions = model.predict(x)["central"]  # x: a dict keyed by input
```

Where TensorFlow is not installed, Keras reads no `hf://`: there it loads the path that
`huggingface_hub.snapshot_download("owner/name")` returns.

{inputs}

{outputs}
{present}
## Where the modalities meet

```
{fusions}
```

## Fusion weights

{weights}

## Scores

{scores}

## Data and licences

- Training data: [fill in] name, version, licence, what to cite, and who is in it.
- Test data, those of the scores above: [fill in]
- Licence of these weights: [fill in] That of the data or of pretrained backbones may bind it.
- Not meant for: [fill in]

## Environment

{parameters:,} parameters; written with {environment}.
"""
_PRESENT = """
A modality may be missing: `x["present"]`, {count} columns in the order {names}, is 1 where a
sample has it. Without it all count as present.
"""


def text_of(model, data=None):
    """The card.

    Args:
        model: `FusionModel`.
        data: Optional `(x, y)` or `(x, y, sample_weight)`. Defaults to `None`.
    """
    names, fusions = [f"`{name}`" for name in model.modalities], []
    model.describe_fusion(fusions.append)
    inputs = [
        [f"`{name}`" if part is None else f"`{name}`, `{part}`", _shape(tensor), tensor.dtype]
        for name, given in model.input.items()
        for part, tensor in (given.items() if isinstance(given, dict) else [(None, given)])
        if name != "present"
    ]
    found = {name: value for name, value in environment().items() if value}
    return _TEXT.format(
        name=model.name,
        modalities=", ".join(names),
        inputs=_table(["input", "shape", "dtype"], inputs),
        outputs=_table(
            ["head", "shape"], [[f"`{head}`", _shape(t)] for head, t in model.output.items()]
        ),
        present=_PRESENT.format(count=len(names), names=", ".join(sorted(names)))
        if model.has_present
        else "",
        fusions="\n".join(fusions),
        weights=_weights(model, None if data is None else data[0]),
        scores="[fill in] None were measured." if data is None else _scores(model, *data),
        parameters=model.count_params(),
        environment=", ".join(f"{name} {value}" for name, value in found.items()),
    )


def _weights(model, x):
    try:
        weights = model.fusion_weights(x)
    except ValueError as error:
        # Undefined ones are an error with and without data.
        if x is not None or hasattr(error, "weights"):
            raise
        return "[fill in] They depend on the sample, and no data were given."
    if not weights:
        return "This method has none."
    sources = list(dict.fromkeys(source for shares in weights.values() for source in shares))
    rows = [
        [f"`{level}`, {model.fusion_levels[level]}", *(_number(shares.get(s)) for s in sources)]
        for level, shares in weights.items()
    ]
    return (
        "The share of every source at every level, lowest level first"
        + ("" if x is None else "; where it depends on the sample, the mean over the test data")
        + ".\n\n"
        + _table(["level", *sources], rows)
    )


def _scores(model, x, y, sample_weight=None):
    found = model.evaluate(x, y, sample_weight=sample_weight, verbose=0, return_dict=True)
    by_head = {
        head: {n.removeprefix(f"{head}_"): v for n, v in found.items() if _head(n, model) == head}
        for head in model.heads
    }
    text = f"Measured on {len(keras.tree.flatten(x)[0])} samples.\n\n" + _score_table(
        "head", {f"`{head}`": scores for head, scores in by_head.items() if scores}
    )
    if not model.has_present:
        return text
    subsets = modality_subsets(model, x, y, sample_weight=sample_weight)
    rows = {" + ".join(f"`{n}`" for n in names): scores for names, scores in subsets.items()}
    return f"{text}\n\nThe central prediction where only some modalities are there:\n\n" + (
        _score_table("modalities", rows)
    )


def _head(name, model):
    """The head of a name in the logs; the longest, as that of one may begin with another's."""
    return max((h for h in model.heads if name.startswith(f"{h}_")), key=len, default=None)


def _score_table(label, rows):
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    return _table(
        [label, *names],
        [[row, *(_number(scores.get(name)) for name in names)] for row, scores in rows.items()],
    )


def _number(value):
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _shape(tensor):
    return "x".join("?" if size is None else str(size) for size in tensor.shape[1:])


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
