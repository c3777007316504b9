"""The functions that an exported model offers, and what Keras itself answers to each."""

from collections import namedtuple

import keras
import numpy as np
from keras import ops

from keras_fusion.graph import ancestors
from keras_fusion.models.fusion_model import (
    called_on,
    decoded_of,
    has_chain,
    uncertain_level,
    uncertainty_of,
)

Endpoint = namedtuple("Endpoint", "function specs expected")
"""`function({input: tensor})` gives `{output: tensor}`; `specs` are its inputs by name;
`expected({input: array})` gives what Keras predicts, `{output: array}`, by another way."""


def input_spec(tensor):
    """What an exported function is told of an input: its name, any batch size."""
    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=tensor.name)


def heads(model, inputs):
    """Every prediction, in float32 whatever the model computes in."""
    return {
        name: ops.cast(tensor, "float32") for name, tensor in model(inputs, training=False).items()
    }


def filled(spec, count, size=8):
    """An array for an input: zeros or empty strings, `size` where a dimension is open."""
    shape = (count, *(size if length is None else length for length in spec.shape[1:]))
    return np.full(shape, "", object) if spec.dtype == "string" else np.zeros(shape, spec.dtype)


def flat_inputs(model):
    """`{name: symbolic input}`; a modality of several inputs has several names here."""
    return {tensor.name: tensor for tensor in keras.tree.flatten(dict(model.input))}


def structured(model, flat):
    """The dict that `model` takes, of `{name: value}`; without the mask where it is not given."""
    inputs = {k: v for k, v in model.input.items() if k != "present" or k in flat}
    return keras.tree.map_structure(lambda tensor: flat[tensor.name], inputs)


def all_inputs_to_all_heads(model, suffix=""):
    """The one function of the formats that have no signatures: all inputs to all heads.

    `suffix` is added to the names of the modalities' heads: in ONNX inputs and outputs share one
    space of names.
    """

    def named(found):
        return {k if k == "central" else f"{k}{suffix}": value for k, value in found.items()}

    specs = {name: input_spec(tensor) for name, tensor in flat_inputs(model).items()}
    return Endpoint(
        lambda inputs: named(heads(model, structured(model, inputs))),
        specs,
        lambda x: named(predictions(model, x)),
    )


def signatures(model):
    """`{signature: Endpoint}` of a SavedModel, without those for raw bytes."""
    specs = {name: input_spec(tensor) for name, tensor in flat_inputs(model).items()}
    given = {name: spec for name, spec in specs.items() if name != "present"}
    all_heads = all_inputs_to_all_heads(model)
    found = {
        "serving_default": Endpoint(
            lambda inputs: {"central": all_heads.function(inputs)["central"]},
            given,
            lambda x: {"central": predictions(model, x)["central"]},
        ),
        "all_heads": Endpoint(all_heads.function, given, all_heads.expected),
    }
    if model.has_present:
        found["missing_modalities"] = all_heads
    for modality in model.heads:
        if modality != "central" and _is_alone(model, modality):
            found[f"{modality}_only"] = _alone(model, modality, specs)
    levels = list(_levels(model))
    if any(fixed is None for *_, fixed in levels):
        found["fusion_weights"] = Endpoint(
            lambda inputs: _shares(model, levels, inputs),
            given,
            lambda x: _expected_shares(model, x),
        )
    if uncertain_level(model) is not None:
        found["uncertainty"] = Endpoint(
            lambda inputs: uncertainty_of(
                model,
                structured(model, _all_present(model, inputs)),
                lambda graph, x: graph(x, training=False),
            ),
            given,
            lambda x: model.uncertainty(structured(model, x)),
        )
    if has_chain(model):
        found["decode"] = Endpoint(
            lambda inputs: {
                "central": decoded_of(
                    model,
                    structured(model, _all_present(model, inputs)),
                    lambda graph, x: graph(x, training=False),
                )
            },
            given,
            lambda x: {"central": model.decode(structured(model, x))},
        )
    return found


def predictions(model, x):
    """What Keras predicts for `{name: array}`, in float32."""
    found = heads(model, structured(model, x))
    return {head: ops.convert_to_numpy(value) for head, value in found.items()}


# ---- one modality and its own head


def _own_inputs(model, modality):
    """The inputs of a modality, and the mask."""
    own = {tensor.name: tensor for tensor in keras.tree.flatten(model.input[modality])}
    return {**own, "present": model.input["present"]} if model.has_present else own


def _is_alone(model, modality):
    """Whether a modality's head sees no other modality."""
    below = ancestors(model.output[modality])
    own = _own_inputs(model, modality)
    return not any(
        id(tensor) in below for name, tensor in flat_inputs(model).items() if name not in own
    )


def _alone(model, modality, specs):
    graph = keras.Model(_own_inputs(model, modality), {modality: model.output[modality]})

    def function(inputs):
        return heads(graph, _all_present(model, inputs))

    def expected(x):
        """From the whole model: what else it is given does not matter."""
        count = len(next(iter(x.values())))
        rest = {
            name: filled(spec, count)
            for name, spec in specs.items()
            if name not in x and name != "present"
        }
        return {modality: predictions(model, {**rest, **x})[modality]}

    own = {name: specs[name] for name in graph.input if name != "present"}
    return Endpoint(function, own, expected)


def _all_present(model, inputs):
    if not model.has_present:
        return inputs
    count = ops.shape(next(iter(inputs.values())))[0]
    return {**inputs, "present": ops.ones((count, len(model.modalities)))}


# ---- the weights of the modalities, sample by sample


def _levels(model):
    """`(name, layer, sources, shares)` of the fusion levels; no shares where a gate gives them."""
    for level in model.get_config()["fusion_levels"]:
        layer = model.get_layer(level["layer"])
        fixed = None if layer.fusion_weights_per == "sample" else layer.fusion_weights()
        yield level["name"], layer, level["sources"], fixed


def _shares(model, levels, inputs):
    """`{level_source: (batch, ...)}`; where the weights are the same for all samples, repeated."""
    inputs = _all_present(model, inputs)
    ones = ops.ones((ops.shape(next(iter(inputs.values())))[0],))
    found = {}
    for level, layer, sources, fixed in levels:
        if fixed is None:
            args, kwargs = called_on(
                model, layer, structured(model, inputs), lambda graph, x: graph(x, training=False)
            )
            gates = ops.cast(layer.fusion_weights(*args, **kwargs), "float32")
            shares = [gates[..., k] for k in range(len(sources))]
        else:
            shares = [ones * share for share in fixed]
        found.update(zip((f"{level}_{source}" for source in sources), shares, strict=True))
    return found


def _expected_shares(model, x):
    found = model.fusion_weights(structured(model, x), per_sample=True)
    return {
        f"{level}_{source}": np.asarray(share, "float32")
        for level, shares in found.items()
        for source, share in shares.items()
    }
