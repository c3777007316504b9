"""Multiple kernel learning: a weighted sum of the modalities' kernels under a linear classifier."""

import numpy as np
from keras import layers

from keras_fusion._checks import check_int, check_seed
from keras_fusion.layers import MultipleKernelFusion
from keras_fusion.layers._kernels import draw_rows, is_kernel
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.fusion_model import called_on, check_inputs, count_samples
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "kernel_fusion",
    "weighted sum of kernels (multiple kernel learning)",
    source="overview of fusion, Sect. 3.2, Eq. (1) to (3)",
    order=230,
    space={
        "kernels": ["rbf", "linear"],
        "landmarks": [16, 32, 64, 128],
        "projection_units": [32, 64, 128],
    },
    per_modality=["kernels"],
)
def build_kernel_fusion(
    backbones,
    *,
    kernels="rbf",
    landmarks=64,
    train_landmarks=True,
    nystroem=False,
    projection_units=64,
    adapt_on=None,
    seed=None,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="kernel_fusion",
):
    """Compares samples with landmarks by a weighted sum of kernels, and classifies from that.

    Use it to learn which modality, and which kind of kernel, counts (`model.fusion_weights()`),
    and where good features meet few data. The features of a modality are its last hidden fusion
    point, a map or sequence averaged to a vector; a backbone without hidden layers gives what it
    outputs, or what it gets if it consists of its prediction alone.

    By default all of it is trained together by `fit`: a dense layer and layer normalization
    bring each modality's features to 64 values of one scale, of which the kernels are taken, and
    the landmarks are trained, from random points. Such a network (RBF units, on top of deep
    kernels) is not what the overview means, as its landmarks are no samples. That is

        build_kernel_fusion(backbones, projection_units=None, train_landmarks=False, adapt_on=x)

    with backbones that are trained already, and do not go on learning (`trainable=False`): the
    landmarks are samples of `x`, and only the betas and the linear classifier are learned.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        kernels: A kernel or a list of kernels for every modality, or a dict of such
            `{modality: ...}`; see `MultipleKernelFusion`. Defaults to `"rbf"`.
        landmarks, train_landmarks, nystroem: Of `MultipleKernelFusion`. With
            `train_landmarks=False` the model has to be adapted before it is used.
        projection_units: Optional integer >= 2, the width of the dense layer before the kernels;
            `None`: neither it nor the normalization. Then adapt, as features may have any scale,
            and keep the backbones from learning: features that have moved far from all landmarks
            make "rbf" kernels 0, from which nothing is learned. Defaults to `64`.
        adapt_on: Optional dict `{modality: array}`, as for `fit`, on which `adapt_kernels` is
            called at once. Defaults to `None`.
        seed: Optional integer, of the choice of landmarks there. Defaults to `None`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"kernel_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_kernel_fusion(nets, kernels={"image": ["rbf", "linear"], "sound": "rbf"})
    >>> model.get_layer("fusion_0").output.shape
    (None, 64)
    >>> {name: round(share, 2) for name, share in model.fusion_weights()["level_0"].items()}
    {'image': 0.67, 'sound': 0.33}

    Reference:
        Yang et al. (2022), An Overview of Multimodal Fusion Learning, Sect. 3.2, Eq. (1) to (3).
        Gönen & Alpaydin (2011), Multiple Kernel Learning Algorithms. Wilson et al. (2016), Deep
        Kernel Learning.
    """
    if projection_units is not None:
        projection_units = check_int("projection_units", projection_units, minimum=2)
    seed = check_seed("seed", seed)
    if adapt_on is not None and not isinstance(adapt_on, dict):
        raise TypeError(f"adapt_on: expected a dict keyed by modality. Received: {adapt_on!r}")
    parts = FusionBuilder(
        backbones,
        num_classes,
        units,
        head,
        ends_in,
        taps,
        unimodal_loss_weights,
        balance,
        missing_modalities,
        name,
    )
    vectors = parts.features()
    if projection_units is not None:
        for i, modality in enumerate(parts.names):
            x = layers.Dense(projection_units, name=f"{modality}_projection")(vectors[i])
            vectors[i] = layers.LayerNormalization(name=f"{modality}_norm")(x)
    fusion = MultipleKernelFusion(
        _in_order(kernels, parts.names), landmarks, train_landmarks, nystroem, name="fusion_0"
    )
    model = parts.finish(parts.logits(parts.fuse(fusion, vectors)))
    if adapt_on is not None:
        adapt_kernels(model, adapt_on, seed)
    return model


def adapt_kernels(model, x, seed=None):
    """Takes the landmarks of a model's kernels from data, and chooses the kernels' scales.

    Use it before `fit`, or again after the networks before the kernels have learned, with
    training data only. It runs these on as many samples as there are landmarks, drawn at random,
    and calls `MultipleKernelFusion.adapt`. Nothing else of the model changes.

    Args:
        model: `FusionModel`, as `build_kernel_fusion` makes it.
        x: Dict `{modality: array}`, as for `fit`. Where it has the mask "present", samples are
            drawn that lack no modality.
        seed: Optional integer. Defaults to `None`, what `keras.utils.set_random_seed` says.

    Raises:
        ValueError: a model without such a layer, anything but a dict of all modalities, or too
            few samples.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.mlp(4), kf.backbones.mlp(6)]
    >>> model = kf.build_kernel_fusion(nets, landmarks=5, train_landmarks=False)
    >>> x = {"mlp": np.random.normal(size=(9, 4)), "mlp_2": np.random.normal(size=(9, 6))}
    >>> kf.models.adapt_kernels(model, x, seed=0)
    >>> model.predict(x, verbose=0)["central"].shape
    (9, 10)
    """
    found = [layer for layer in model.layers if isinstance(layer, MultipleKernelFusion)]
    if not found:
        raise ValueError(
            "model: expected one of build_kernel_fusion. Received: "
            f'"{model.name}", which has no layer MultipleKernelFusion'
        )
    seed = check_seed("seed", seed)
    x = check_inputs(x, model.input)
    drawn = draw_rows(count_samples(x), found[0].landmarks, x.get("present"), seed)
    inputs = {name: x[name][drawn] for name in model.modalities}
    if model.has_present:
        inputs["present"] = np.ones((len(drawn), len(model.modalities)), "float32")
    (features,), _ = called_on(model, found[0], inputs)
    found[0].adapt(features, seed=seed)


def _in_order(kernels, names):
    """A dict of kernels as a list of lists, in the order of the modalities."""
    if not isinstance(kernels, dict):
        return kernels
    if set(kernels) != set(names):
        raise ValueError(f"kernels: expected the modalities {names}. Received: {sorted(kernels)}")
    return [[kernels[n]] if is_kernel(kernels[n]) else kernels[n] for n in names]
