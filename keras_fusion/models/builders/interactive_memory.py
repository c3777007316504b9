"""Multi-interactive memory: the modalities are read in several hops, guided by a query."""

from keras_fusion._checks import check_int, check_rate
from keras_fusion.layers import MultiInteractiveMemory
from keras_fusion.models.assembly import FusionBuilder, named_backbones
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "interactive_memory",
    "attention in several hops, each modality guiding all",
    source="Xu et al. 2019",
    order=210,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [32, 64, 128, 256],
        "hops": {"min": 1, "max": 5},
    },
)
def build_interactive_memory(
    backbones,
    *,
    query=None,
    fusion_units=128,
    hops=3,
    dropout=0.0,
    max_tokens=256,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="interactive_memory",
):
    """Reads the modalities' tokens in several hops of attention, each guided by the one before.

    Use it where one modality asks about the others (`query="aspect"`): which sentiment a text
    and its images have towards the battery, what is to be seen left of the door. Without a query
    the first hop is guided by a learned vector. Tokens are the steps of a sequence and the places
    of a map or video; a vector is one token. Masks that Keras carries with a sequence
    (`Embedding(mask_zero=True)`, `Masking`) are respected throughout.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more and the query;
            see `build_centralnet`.
        query: Optional string, the modality that is the aspect or question; the mean of its tokens
            guides the first hop. Defaults to `None`, no such modality.
        fusion_units: Positive integer, the width of memories and states. Defaults to `128`.
        hops: Positive integer, how many times the memories are read. Defaults to `3`.
        dropout: Float in [0, 1), the rate before the prediction. Defaults to `0.0`.
        max_tokens: Positive integer. Maps and videos with more places are average-pooled evenly
            until they have no more. Defaults to `256`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`: the last hidden fusion point that is a sequence, map or video; where there
            is none, or a recurrent layer reads the sequence to a vector, the last hidden one; of a
            backbone without hidden layers what it outputs, or what it gets if it consists of its
            prediction alone. Or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"interactive_memory"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> text = kf.backbones.mlp(20, hidden_units=(32,))
    >>> aspect = kf.backbones.mlp(5, hidden_units=(16,))
    >>> model = kf.build_interactive_memory(
    ...     {"aspect": aspect, "image": image, "text": text}, query="aspect", fusion_units=24
    ... )
    >>> model.get_layer("fusion_0").output.shape  # the states of image and text
    (None, 48)

    Reference:
        Xu, Mao & Chen (2019), Multi-Interactive Memory Network for Aspect Based Multimodal
        Sentiment Analysis. Yang et al. (2022), An Overview of Multimodal Fusion Learning,
        Sect. 3.2.
    """
    dropout = check_rate("dropout", dropout)
    fusion_units = check_int("fusion_units", fusion_units)
    memory = MultiInteractiveMemory(fusion_units, hops, name="fusion_0")
    backbones = _query_last(named_backbones(backbones), query)
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
    tensors = parts.tokens(max_tokens)
    asked = {} if query is None else {"query": tensors.pop()}
    return parts.finish(parts.logits(parts.fuse(memory, tensors, **asked), dropout))


def _query_last(backbones, query):
    """The dict with the query at the end, where the layer expects its column of `present`."""
    if query is None:
        return backbones
    if query not in backbones:
        raise ValueError(f"query: expected one of {list(backbones)}. Received: {query!r}")
    memories = {name: model for name, model in backbones.items() if name != query}
    if len(memories) < 2:
        raise ValueError(
            "backbones: expected two or more besides the query. "
            f"Received: {list(memories)} and query={query!r}"
        )
    return {**memories, query: backbones[query]}
