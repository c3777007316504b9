"""One row for every layer and way to use it; a new layer needs one. See conformance.py."""

import dataclasses

import numpy as np

from keras_fusion import layers

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


# Entries whose step, in the one model of all rows, may be too small for float32.
SMALL_STEPS = tuple(
    f"{name}_{k}/{kind}"
    for k in range(3)
    for name, kind in (
        ("keys", "kernel"),
        ("keys", "bias"),
        ("guide", "kernel"),
        ("gru", "kernel"),
        ("gru", "recurrent_kernel"),
    )
)

PRESENT = np.array([[True, False, True], [False, False, True], [True, True, True]])

CASES = [
    Case(layers.AverageAxes, "video to map", {"axes": [1]}, (floats(3, 4, 5, 6, 2),), (3, 5, 6, 2)),
    Case(
        layers.AverageAxes,
        "integer video to sequence",
        {"axes": (3, 2)},
        (integers(256, 3, 4, 5, 6, 2, dtype="uint8"),),
        (3, 4, 2),
    ),
    Case(layers.CentralFusion, "first level", {}, ([floats(3, 4), floats(3, 4)],), (3, 4)),
    Case(
        layers.CentralFusion,
        "maps with central by equation 1",
        {"modality_scale": False},
        ([floats(3, 5, 6, 2), floats(3, 5, 6, 2)], floats(3, 5, 6, 2)),
        (3, 5, 6, 2),
    ),
    Case(
        layers.CentralFusion,
        "three sequences with central and present",
        {"modality_scale": True},
        ([floats(3, 5, 2), floats(3, 5, 2), floats(3, 5, 2)],),
        (3, 5, 2),
        keywords={"central": floats(3, 5, 2), "present": PRESENT},
    ),
    Case(
        layers.CentralFusion,
        "integer images",
        {},
        ([integers(9, 3, 4, 4, 1, dtype="uint8"), integers(9, 3, 4, 4, 1)],),
        (3, 4, 4, 1),
    ),
    Case(
        layers.CooccurrenceRegularization,
        "three vectors with present",
        {"pair_weight": 0.5},
        ([floats(3, 5), floats(3, 5), floats(3, 5)],),
        [(3, 5), (3, 5), (3, 5)],
        keywords={"present": PRESENT},
    ),
    Case(
        layers.CrossConnection1D2D,
        "vector to maps",
        # To several channels PyTorch has no float16 gradient on a CPU.
        {"target_shape": (4, 3, 1), "kernel_size": 2},
        (floats(3, 5),),
        (3, 4, 3, 1),
        partly_still=("dense_prelu/alpha", "deconv_prelu/alpha"),
    ),
    Case(
        layers.CrossConnection2D1D,
        "maps to vector",
        {"units": 4, "filters": 2},
        (floats(3, 4, 3, 2),),
        (3, 4),
        partly_still=("conv_prelu/alpha", "dense_prelu/alpha"),
    ),
    Case(
        layers.CrossConnection2D1D,
        "residual",
        {"units": 4, "pool_size": 2, "strides": (2, 1)},
        (floats(3, 4, 3, 2),),
        (3, 4),
        partly_still=("dense_prelu/alpha",),
    ),
    Case(
        layers.CrossModalAttention,
        "sequence and map",
        # Without dropout Keras' attention has no float16 gradient on JAX's CPU.
        {"units": 4, "num_heads": 2, "dropout": 0.5, "seed": 1},
        ([floats(3, 5, 2), floats(3, 2, 3, 4)],),
        [(3, 5, 4), (3, 2, 3, 4)],
        training_differs=True,
    ),
    Case(
        layers.CrossModalAttention,
        "means of three with present and dropout",
        {"units": 4, "num_heads": 1, "dropout": 0.5, "pooling": "mean", "seed": 1},
        ([floats(3, 5, 2), floats(3, 4), floats(3, 4, 3)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
        training_differs=True,
    ),
    Case(
        layers.CrossModalAttention,
        "integer maps and sequences without residual",
        {"units": 2, "num_heads": 2, "dropout": 0.5, "residual": False, "seed": 1},
        ([integers(3, 3, 2, 2, 1, dtype="uint8"), integers(3, 3, 4, 2)],),
        [(3, 2, 2, 2), (3, 4, 2)],
        training_differs=True,
    ),
    Case(
        layers.ElementwiseFusion,
        "difference of three maps with present",
        {"operation": "subtract"},
        ([floats(3, 5, 6, 2), floats(3, 5, 6, 2), floats(3, 5, 6, 2)],),
        (3, 5, 6, 2),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.ElementwiseFusion,
        "vectors of two widths",
        {"operation": "concat"},
        ([floats(3, 4), floats(3, 2)],),
        (3, 6),
    ),
    Case(
        layers.GatedMultimodalUnit,
        "two vectors of different widths",
        {"units": 4},
        ([floats(3, 5), floats(3, 2)],),
        (3, 4),
    ),
    Case(
        layers.GatedMultimodalUnit,
        "three projections with bias and present",
        {"units": 4, "gate_on": "projections", "use_bias": True},
        ([floats(3, 5), floats(3, 2), floats(3, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.GatedMultimodalUnit,
        "integer vectors",
        {"units": 3, "gate_on": "projections"},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 3),
    ),
    Case(
        layers.Maxout,
        "vector",
        {"units": 4, "pieces": 3},
        (floats(3, 5),),
        (3, 4),
        partly_still=("kernel", "bias"),
    ),
    Case(
        layers.Maxout,
        "integer map without bias",
        {"units": 2, "use_bias": False},
        (integers(9, 3, 5, 6, 1),),
        (3, 5, 6, 2),
        partly_still=("kernel",),
    ),
    Case(
        layers.ModalityGate,
        "two vectors of different widths",
        {},
        ([floats(3, 5), floats(3, 2)],),
        (3, 7),
    ),
    Case(
        layers.ModalityGate,
        "three integer and float vectors with present",
        {},
        ([integers(3, 3, 2, dtype="uint8"), floats(3, 4), floats(3, 3)],),
        (3, 9),
        keywords={"present": PRESENT},
    ),
    Case(layers.ModalityMask, "map", {"index": 1}, (floats(3, 5, 6, 2), PRESENT), (3, 5, 6, 2)),
    Case(
        layers.ModalityMask,
        "learned placeholder",
        {"index": 1, "placeholder": "learned"},
        (floats(3, 5, 2), PRESENT),
        (3, 5, 2),
    ),
    Case(
        layers.ModalityMask,
        "mean placeholder",
        {"index": 0, "placeholder": "mean"},
        (floats(3, 4), PRESENT),
        (3, 4),
    ),
    Case(
        layers.ModalityMask,
        "integer tokens by name",
        {"index": 0},
        (integers(9, 3, 7),),
        (3, 7),
        keywords={"present": PRESENT.astype("float32")},
        output_dtype="int32",
    ),
    Case(
        layers.ModDrop,
        "maps and vectors",
        {"rate": 0.5, "seed": 1},
        ([floats(3, 5, 6, 2), floats(3, 4)],),
        [(3, 5, 6, 2), (3, 4)],
        training_differs=True,
    ),
    Case(
        layers.ModDrop,
        "three with present and rescaling",
        {"rate": [0.4, 0.5, 0.6], "rescale": True, "seed": 1},
        ([floats(3, 4), floats(3, 4), floats(3, 4)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
        training_differs=True,
    ),
    Case(
        layers.MultiInteractiveMemory,
        "sequence and map",
        # Small values: far out, the gates of its cells hardly have a gradient.
        {"units": 2, "hops": 2},
        ([0.3 * floats(3, 5, 2), 0.3 * floats(3, 2, 3, 4)],),
        (3, 4),
        partly_still=SMALL_STEPS,
    ),
    Case(
        layers.MultiInteractiveMemory,
        "three with query and present",
        {"units": 2},
        ([0.3 * floats(3, 5, 2), 0.3 * floats(3, 4, 4), 0.3 * floats(3, 4, 3)],),
        (3, 6),
        keywords={
            "query": floats(3, 2, 2),
            "present": np.concatenate([PRESENT, [[True], [True], [False]]], axis=1),
        },
        partly_still=SMALL_STEPS,
    ),
    Case(
        layers.MultiInteractiveMemory,
        "integer sequences",
        {"units": 2, "hops": 1},
        ([integers(3, 3, 5, 2, dtype="uint8"), integers(3, 3, 4, 1)],),
        (3, 4),
        keywords={"query": 1 + integers(3, 3, 2)},
        partly_still=SMALL_STEPS,
    ),
    Case(
        layers.MultipleKernelFusion,
        "own kernels of two vectors",
        {"kernels": [["rbf", ["rbf", 2.0]], ["linear"]], "landmarks": 4, "nystroem": True},
        ([floats(3, 5), floats(3, 2)],),
        (3, 4),
    ),
    Case(
        layers.MultipleKernelFusion,
        "three with present and polynomials",
        {"kernels": ["rbf", ("polynomial", 3)], "landmarks": 4},
        ([floats(3, 5), floats(3, 2), floats(3, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.MultipleKernelFusion,
        "integer vectors",
        {"kernels": "polynomial", "landmarks": 2},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 2),
    ),
    Case(layers.MaskedAverage, "all steps", {}, (integers(9, 3, 5, 2),), (3, 2)),
    Case(
        layers.MaskedAverage,
        "an empty sequence among others",
        {},
        (floats(3, 3, 2),),
        (3, 2),
        keywords={"mask": PRESENT & np.array([[True], [False], [True]])},
    ),
    Case(layers.NormalizeProbabilities, "softmax", {}, (floats(3, 4),), (3, 4)),
    Case(
        layers.NormalizeProbabilities,
        "sigmoid per step",
        {"activation": "sigmoid"},
        (floats(3, 5, 4),),
        (3, 5, 4),
    ),
    Case(layers.PadFeatures, "vector", {"units": 7}, (floats(3, 4),), (3, 7)),
    Case(
        layers.PadFeatures,
        "integer map",
        {"units": 3},
        (integers(256, 3, 5, 6, 1, dtype="uint8"),),
        (3, 5, 6, 3),
        output_dtype="uint8",
    ),
    Case(
        layers.ResidualGating,
        "map with a vector and a map and present",
        {"units": 4, "kernel_size": 2},
        ([floats(3, 5, 6, 2), floats(3, 4), floats(3, 5, 6, 1)],),
        (3, 5, 6, 2),
        keywords={"present": PRESENT},
        partly_still=("gate_hidden/kernel", "residual_hidden/kernel"),
    ),
    Case(
        layers.ResidualGating,
        "integer vectors",
        {},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 4),
        # Of relu units that are dark for all three samples.
        partly_still=(
            "gate_hidden/kernel",
            "gate_hidden/bias",
            "gate/kernel",
            "residual_hidden/kernel",
            "residual_hidden/bias",
            "residual/kernel",
        ),
    ),
    Case(layers.PadFrames, "video", {"frames": 2}, (floats(3, 2, 3, 4, 2),), (3, 6, 3, 4, 2)),
    Case(
        layers.PadFrames,
        "integers",
        {"frames": 1},
        (integers(256, 3, 4, 2, dtype="uint8"),),
        (3, 6, 2),
        output_dtype="uint8",
    ),
    Case(layers.PreprocessImages, "caffe", {"mode": "caffe"}, (floats(3, 4, 4, 3),), (3, 4, 4, 3)),
    Case(
        layers.PreprocessImages,
        "integer frames to torch",
        {"mode": "torch"},
        (integers(256, 3, 2, 4, 4, 3, dtype="uint8"),),
        (3, 2, 4, 4, 3),
    ),
    Case(layers.PreprocessImages, "tf", {"mode": "tf"}, (floats(3, 4, 4, 1),), (3, 4, 4, 1)),
    Case(layers.ProbabilitiesToLogits, "softmax", {}, (probabilities(3, 4),), (3, 4)),
    Case(
        layers.ProbabilitiesToLogits,
        "sigmoid per step",
        {"activation": "sigmoid"},
        (probabilities(3, 5, 4),),
        (3, 5, 4),
    ),
    Case(
        layers.ScoreRule,
        "product with priors and present",
        {"rule": "product", "priors": [0.1, 0.2, 0.3, 0.4]},
        ([probabilities(3, 4), probabilities(3, 4), probabilities(3, 4)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.ScoreRule,
        "mean per step with central",
        {},
        ([probabilities(3, 5, 4), probabilities(3, 5, 4)], probabilities(3, 5, 4)),
        (3, 5, 4),
    ),
    Case(
        layers.SharedSpecificTransfer,
        "two vectors of different widths",
        {"units": 4},
        ([floats(3, 5), floats(3, 2)],),
        (3, 24),
    ),
    Case(
        layers.SharedSpecificTransfer,
        "three with present and low temperature",
        {"units": 3, "temperature": 0.5, "similarity_weight": 0.5, "difference_weight": 0},
        ([floats(3, 5), 1 + integers(3, 3, 2, dtype="uint8"), floats(3, 3)],),
        (3, 27),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.WeaklySharedDense,
        "three vectors with present",
        {"units": 4, "activation": "tanh", "sharing_weight": 0.5},
        ([floats(3, 5), floats(3, 5), floats(3, 5)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
    ),
    Case(
        layers.WeaklySharedDense,
        "integer vectors",
        {"units": 4, "activation": "linear"},
        ([1 + integers(3, 3, 2, dtype="uint8"), 1 + integers(3, 3, 2)],),
        [(3, 4), (3, 4)],
    ),
    Case(
        layers.WeightedMean,
        "three with present",
        {"activation": "softmax"},
        ([probabilities(3, 4), probabilities(3, 4), probabilities(3, 4)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        layers.WeightedMean,
        "sequences with central",
        {},
        ([floats(3, 5, 2), floats(3, 5, 2)], floats(3, 5, 2)),
        (3, 5, 2),
    ),
]
