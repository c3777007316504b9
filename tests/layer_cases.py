"""What a row of a layer is made of: CASES in layers/test_<layer>.py; see conformance.py."""

import dataclasses

import numpy as np

_rng = np.random.default_rng(0)
_START = _rng.bit_generator.state


@dataclasses.dataclass(frozen=True)
class Case:
    """One row: a layer, how to make and call it, and what comes out.

    Args:
        layer: The class, registered for saving.
        label: What tells this row from the layer's others.
        init: Arguments of the class, a seed among them where it draws.
        inputs: Positional call arguments: arrays, or lists or dicts of arrays, batch axis first.
        keywords: Call arguments by name: the same, or plain values such as True.
        output_shape: One tuple, or a list of them for a layer with several outputs.
        output_dtype: Where it is not the layer's compute dtype.
        training_differs: Whether `training=True` draws at random.
        partly_still: Names of weights of which some entries get no gradient, rightly so: rows of
            an embedding that nobody looked up, say.
    """

    layer: type
    label: str
    init: dict
    inputs: tuple
    output_shape: tuple | list
    keywords: dict = dataclasses.field(default_factory=dict)
    output_dtype: str | None = None
    training_differs: bool = False
    partly_still: tuple = ()

    def __post_init__(self):
        # Every row draws from the start: its arrays do not depend on the rows above it.
        _rng.bit_generator.state = _START

    def __str__(self):
        return f"{self.layer.__name__}-{self.label}".replace(" ", "_")


def floats(*shape):
    return _rng.normal(size=shape).astype("float32")


def integers(high, *shape, dtype="int32"):
    return _rng.integers(high, size=shape).astype(dtype)


def probabilities(*shape):
    return _rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]).astype("float32")


PRESENT = np.array([[True, False, True], [False, False, True], [True, True, True]])
