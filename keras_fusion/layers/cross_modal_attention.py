"""Cross-modal attention: the tokens of one modality look at those of the others."""

import keras
from keras import layers, ops

from keras_fusion._checks import (
    check_bool,
    check_choice,
    check_int,
    check_multiple,
    check_rate,
    check_seed,
)
from keras_fusion.layers._tokens import all_tokens_of, check_masks, filled, mean_of
from keras_fusion.layers.fusion_layer import FusionLayer

POOLINGS = (None, "mean")


@keras.saving.register_keras_serializable(package="keras_fusion")
class CrossModalAttention(FusionLayer):
    """Multi-head attention between modalities: queries from one, keys and values from the others.

    Use it where a part of one modality belongs to a part of another: words and image regions,
    frames and sounds. Every modality asks and is asked. A token is a step of a sequence or a
    place of a map or video; a vector is one token. Attention runs along the tokens of a sample,
    never across samples. It does not see order: add positions before it where they matter.
    `build_cross_attention` places it behind the backbones for you.

    The overview, Sect. 3.2, describes it in words (queries of the sentence, keys and values of
    the image). With X_k the tokens of modality k, and Attention that of Vaswani et al., Eq. (1):

        P_k = X_k W_k + b_k
        A_k = MultiHead(Q = P_k, K = V = [P_j for all j != k])
        Y_k = LayerNorm(P_k + A_k)
        MultiHead(Q, K, V) = [head_1, ..., head_h] W^O,  without biases
        head_i = softmax(Q W^Q_i (K W^K_i)^T / sqrt(units / h)) V W^V_i

    Of three and more modalities, each looks at the tokens of all the others at once, in one
    softmax; this, the projections P_k to one width and leaving out the Transformer's feed-forward
    part are our choices. Who looks at a single token gives it all the attention: between two
    vectors W^Q and W^K are without effect, and do not learn.

    Args:
        units: Positive integer, the width of what comes out, a multiple of `num_heads`.
        num_heads: Positive integer. Defaults to `4`.
        dropout: Float from 0 to less than 1, the rate at which attention weights are dropped.
            Defaults to `0.0`.
        residual: Boolean, whether Y_k is as above. `False`: Y_k = A_k; then what comes out of a
            modality is zeros where all the others are absent. Defaults to `True`.
        pooling: `None`, every modality keeps its tokens, or `"mean"`, their mean. Defaults to
            `None`.
        seed: Integer not below 0, of the dropout, or `None`. Defaults to `None`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences, maps or videos.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`: the tokens of an absent modality, NaN included, are no keys, and zeros
            come out for it.
        mask: Optional list of one mask or None per modality, `(batch, steps)`: steps that do not
            count are no keys, zeros come out for them, and the mean leaves them out. By default
            the masks that Keras carries with the tensors. A token without any key gets A = 0.
        training: Whether to apply dropout.

    Input shape:
        List of `(batch, ..., features_k)`.

    Output shape:
        List of `(batch, ..., units)`, one per modality, with its mask if it has one; with
        `pooling="mean"` of `(batch, units)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> words, regions = np.ones((2, 9, 6)), np.ones((2, 7, 7, 4))
    >>> attention = kf.layers.CrossModalAttention(units=8, num_heads=2)
    >>> [tuple(y.shape) for y in attention([words, regions])]
    [(2, 9, 8), (2, 7, 7, 8)]

    Reference:
        Yang et al. (2022), An Overview of Multimodal Fusion Learning, Sect. 3.2. Vaswani et al.
        (2017), Attention Is All You Need, Sect. 3.1 and 3.2.
    """

    min_modalities = 2

    def __init__(
        self,
        units,
        num_heads=4,
        dropout=0.0,
        residual=True,
        pooling=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        units = check_int("units", units)
        num_heads = check_int("num_heads", num_heads)
        check_multiple("units", units, num_heads)
        dropout = check_rate("dropout", dropout)
        residual = check_bool("residual", residual)
        check_choice("pooling", pooling, POOLINGS)
        seed = check_seed("seed", seed)
        self.units = units
        self.num_heads = num_heads
        self.dropout = dropout
        self.residual = residual
        self.pooling = pooling
        self.seed = seed

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.projections, self.attentions, self.norms = [], [], []
        for k, width in enumerate(self.widths):
            options = {"dtype": self.dtype_policy}
            self.projections.append(layers.Dense(self.units, name=f"projection_{k}", **options))
            self.projections[k].build((None, None, width))
            attention = layers.MultiHeadAttention(
                self.num_heads,
                self.units // self.num_heads,
                dropout=self.dropout,
                use_bias=False,
                # One each: equal ones would drop the same weights in every modality.
                seed=None if self.seed is None else self.seed + k,
                name=f"attention_{k}",
                **options,
            )
            attention.build((None, None, self.units), (None, None, self.units))
            self.attentions.append(attention)
            if self.residual:
                norm = layers.LayerNormalization(epsilon=1e-5, name=f"norm_{k}", **options)
                norm.build((None, None, self.units))
                self.norms.append(norm)

    # `modalities_mask` is how Keras calls the masks it carries where there is a `present` too.
    def call(self, modalities, present=None, mask=None, modalities_mask=None, training=None):
        masks = check_masks(modalities_mask if mask is None else mask, modalities)
        tokens, counts = all_tokens_of(modalities, masks, present, self.compute_dtype)
        tokens = [p(t) for p, t in zip(self.projections, tokens, strict=True)]
        outputs = []
        for k, x in enumerate(modalities):
            found = self._attend(k, tokens, counts, training)
            if self.residual:
                found = self.norms[k](tokens[k] + found)
            if counts[k] is not None:
                found = ops.where(counts[k][:, :, None], found, ops.zeros_like(found))
            if self.pooling == "mean":
                outputs.append(mean_of(found, counts[k]))
            else:
                outputs.append(ops.reshape(found, (*ops.shape(x)[:-1], self.units)))
        return outputs

    def _attend(self, k, tokens, counts, training):
        """A_k."""
        others = [j for j in range(len(tokens)) if j != k]
        keys = ops.concatenate([tokens[j] for j in others], axis=1)
        if all(counts[j] is None for j in others):
            return self.attentions[k](tokens[k], keys, training=training)
        is_key = filled([tokens[j] for j in others], [counts[j] for j in others])
        is_key = ops.concatenate(is_key, axis=1)
        any_key = ops.any(is_key, axis=1, keepdims=True)
        # A softmax over nothing is NaN: without any key all are looked at, and nothing is taken.
        seen = ops.logical_or(is_key, ops.logical_not(any_key))
        found = self.attentions[k](
            tokens[k], keys, attention_mask=seen[:, None, :], training=training
        )
        return ops.where(any_key[:, :, None], found, ops.zeros_like(found))

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        if self.pooling == "mean":
            return [(shape[0], self.units) for shape in shapes]
        return [(*shape[:-1], self.units) for shape in shapes]

    def compute_mask(self, modalities, mask=None):
        return mask if self.pooling is None else None

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "residual": self.residual,
            "pooling": self.pooling,
            "seed": self.seed,
        }
