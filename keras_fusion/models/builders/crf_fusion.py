"""Conditional random fields on the fused features of every step."""

from keras import layers

from keras_fusion._checks import check_choice, check_int, check_rate
from keras_fusion.backbones import dropped
from keras_fusion.layers import ElementwiseFusion, HiddenCRF, LinearChainCRF
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "crf_fusion",
    "a CRF on the fused steps: labels per step, or hidden states of a sequence",
    source="Lafferty et al. 2001, Quattoni et al. 2004",
    order=207,
    space={"states": [2, 3, 5, 8], "dropout": {"min": 0.0, "max": 0.7, "step": 0.05}},
)
def build_crf_fusion(
    backbones,
    *,
    per="sequence",
    states=3,
    dropout=0.0,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="crf_fusion",
):
    """Joins the modalities' features at every step, and predicts by what follows what.

    Use it for sequences with one clock whose labels (`per="step"`), or parts (`per="sequence"`),
    follow each other by rules. The features of a modality are its last sequence, all of one number
    of steps, which may be open; of backbones that label every step themselves, with
    `per="step"`, the last one before their labels. Steps are masked as by Keras' `Masking` and
    `Embedding`: one counts where any modality has it.

    - `per="step"`: a linear layer gives every step's emissions, `LinearChainCRF` one label per
      step. In fit and evaluate the loss `losses.CRFLoss` reads emissions and transitions, whatever
      "central" is; "central" itself is, in fit, evaluate and predict alike, the marginals
      p(y_t | x), `(batch, steps, classes)`, so that metrics are those of each step's most likely
      label. `model.decode(x)` is the most likely path as a whole (Viterbi), as the signature
      "decode" of a SavedModel is. There are no unimodal heads and no balance.
    - `per="sequence"`: `HiddenCRF`, one label per sequence, trained by any loss of classes; the
      central prediction is as in every other method. Where no modality is a sequence they are
      averaged to vectors, one step.

    ONNX and LiteRT cannot express the recursion over the steps; `export` says so.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        per: String, `"step"` or `"sequence"`: what has one label. Defaults to `"sequence"`.
        states: Positive integer, the number of hidden states of each class, with `per="sequence"`;
            not used with `"step"`. Defaults to `3`.
        dropout: Float between 0 and 1, the rate before the emissions. Defaults to `0.0`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`; with
            `per="step"` two or more classes of which one is right.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet, with `per="sequence"`. Defaults to `None`, no such
            heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality's features are zeros. Defaults to `False`.
        name: String, of the model. Defaults to `"crf_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads; not
        compiled. `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> conv = keras.layers.Conv1D
    >>> nets = [
    ...     keras.Sequential([keras.Input((6, n)), conv(4, 3, padding="same", activation="relu")])
    ...     for n in (2, 3)
    ... ]
    >>> model = kf.build_crf_fusion(nets, per="step", num_classes=3)
    >>> model.output["central"].shape
    (None, 6, 3)

    Reference:
        Lafferty, McCallum & Pereira (2001), Conditional Random Fields; Quattoni, Collins & Darrell
        (2004), Conditional Random Fields for Object Recognition.
    """
    check_choice("per", per, ("step", "sequence"))
    states = check_int("states", states)
    dropout = check_rate("dropout", dropout)
    if per == "step" and (unimodal_loss_weights is not None or balance is not None):
        label = "balance" if unimodal_loss_weights is None else "unimodal_loss_weights"
        received = balance if unimodal_loss_weights is None else unimodal_loss_weights
        raise ValueError(f'{label}: expected None with per="step". Received: {received!r}')
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
        per_place=per == "step",
    )
    tensors = parts.tensors() if per == "step" else parts.tokens()
    are_sequences = [len(x.shape) == 3 for x in tensors]
    if per == "step" or any(are_sequences):
        _check_sequences(tensors, parts, per)
        fused = parts.fuse(ElementwiseFusion("concat", name="fusion_0"), tensors)
    else:
        fused = parts.fuse(ElementwiseFusion("concat", name="fusion_0"), parts.features())
        fused = layers.Reshape((1, fused.shape[-1]), name="central_step")(fused)
    fused = dropped(fused, dropout, "central_dropout")
    if per == "sequence":
        return parts.finish(HiddenCRF(parts.head.units, states, name="central_logits")(fused))
    if parts.head.activation != "softmax" or parts.head.units < 2:
        raise ValueError(
            'build_crf_fusion: expected to predict one of two or more classes with per="step". '
            f"Received: {parts.head.units} values through {parts.head.activation}"
        )
    emissions = layers.Dense(parts.head.units, name="central_emissions")(fused)
    return parts.finish(prediction=LinearChainCRF(dtype="float32", name="central_head")(emissions))


def _check_sequences(tensors, parts, per):
    """An error unless all are sequences of one number of steps."""
    shapes = {name: tuple(x.shape[1:]) for name, x in zip(parts.names, tensors, strict=True)}
    lengths = {shape[0] for shape in shapes.values()} - {None}
    if any(len(shape) != 2 for shape in shapes.values()) or len(lengths) > 1:
        raise ValueError(
            f'build_crf_fusion: expected sequences of one number of steps with per="{per}". '
            f"Received: {shapes}"
        )
