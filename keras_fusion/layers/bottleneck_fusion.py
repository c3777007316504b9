"""Transformers of the modalities that exchange through a few bottleneck tokens."""

import keras
from keras import ops

from keras_fusion._checks import check_bool, check_int
from keras_fusion.layers._transformer import TokenFusion, joined, small_numbers
from keras_fusion.layers.fusion_layer import column


@keras.saving.register_keras_serializable(package="keras_fusion")
class BottleneckFusion(TokenFusion):
    """A Transformer for every modality; from a given layer on they share a few tokens.

    Use it where modalities have many tokens each (steps, places), and little of one concerns the
    other: a layer costs sum_k (L_k + m)^2 for L_k tokens a modality and m bottlenecks, in place of
    (sum_k L_k)^2, so that its cost grows with the number of modalities and not with its square.
    `build_bottleneck` places it behind the backbones; `LatentFusion` is for very many tokens.

    With T_k the class token c_k of modality k, followed by its tokens W_k h_k + e_k with their
    positions, and F the m bottleneck tokens:

        T_k <- block_kl(T_k)                    for l < fusion_layer
        [T_k, F_k] <- block_kl([T_k, F])        for l >= fusion_layer, all k from the same F,
        F <- mean_k F_k                         then this
        out_k = LN(c_k)

    block(x) is y + FFN(LN(y)) with y = x + MHA(LN(x)) and a GELU, by tanh, in the FFN. What a
    modality knows of another went through F, which takes two layers: with a single one from
    `fusion_layer` on, or without bottlenecks, it knows nothing. The authors' positions are
    learned; ours are sinusoidal, so that lengths may differ. Their c_k start as zeros, ours as
    N(0, 0.02).

    Args:
        units: Positive integer, the width of the tokens, a multiple of `num_heads`. The paper's
            networks have `768`.
        num_layers: Positive integer. Defaults to `3` (the paper: `12`).
        fusion_layer: Integer from 0 to `num_layers`, the first layer with bottlenecks. Defaults to
            `1` (the paper: `8`).
        bottlenecks: Integer from 0 on, how many bottleneck tokens there are. Defaults to `4`.
        num_heads: Positive integer. Defaults to `4` (the paper: `12`).
        feedforward_units: Positive integer, the width inside the FFN. Defaults to `128` (the
            paper: `3072`).
        dropout: Float from 0 to less than 1, after the attention and in the FFN. Defaults to
            `0.1`.
        positions: Boolean, whether steps and places get sinusoidal positions; a vector has none.
            Defaults to `True`.
        seed: Integer not below 0, of the dropout, or `None`. Defaults to `None`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences, maps or videos.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`: F is the mean over the F_k of those present, and zeros come out for the
            others, whatever stands in them, NaN included.
        mask: Optional list of one mask or None per modality, `(batch, steps)`: nothing attends to
            steps that do not count. By default the masks that Keras carries with the tensors.
        training: Whether to apply dropout.

    Input shape:
        List of `(batch, ..., features_k)`.

    Output shape:
        List of `(batch, units)`, one per modality.

    Raises:
        TypeError, ValueError: arguments out of their range, or tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> fusion = kf.layers.BottleneckFusion(units=8)
    >>> frames, sound = np.ones((5, 7, 7, 4)), np.ones((5, 30, 2))
    >>> [tuple(x.shape) for x in fusion([frames, sound])]
    [(5, 8), (5, 8)]

    Reference:
        Nagrani et al. (2021), Attention Bottlenecks for Multimodal Fusion, Sect. 3.
    """

    def __init__(
        self,
        units,
        num_layers=3,
        fusion_layer=1,
        bottlenecks=4,
        num_heads=4,
        feedforward_units=128,
        dropout=0.1,
        positions=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(units, num_heads, feedforward_units, dropout, seed, **kwargs)
        num_layers = check_int("num_layers", num_layers)
        fusion_layer = check_int("fusion_layer", fusion_layer, minimum=0)
        if fusion_layer > num_layers:
            raise ValueError(
                f"fusion_layer: expected an int <= num_layers={num_layers}. "
                f"Received: {fusion_layer}"
            )
        bottlenecks = check_int("bottlenecks", bottlenecks, minimum=0)
        positions = check_bool("positions", positions)
        self.num_layers = num_layers
        self.fusion_layer = fusion_layer
        self.bottlenecks = bottlenecks
        self.positions = positions

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        n, size = len(self.widths), (self.units,)
        self.class_tokens = [
            self.add_weight(size, small_numbers(), name=f"class_token_{k}") for k in range(n)
        ]
        self.shared_tokens = None
        if self.bottlenecks and self.fusion_layer < self.num_layers:
            self.shared_tokens = self.add_weight(
                (self.bottlenecks, self.units), small_numbers(), name="bottlenecks"
            )
        # All in one list: of lists in lists Keras 3.12 saves nothing.
        self.blocks = [
            self.make_block(f"block_{i}_{k}", i * n + k)
            for i in range(self.num_layers)
            for k in range(n)
        ]
        self.norm = self.make_norm()

    # `modalities_mask` is how Keras calls the masks it carries where there is a `present` too.
    def call(self, modalities, present=None, mask=None, modalities_mask=None, training=None):
        mask = modalities_mask if mask is None else mask
        tokens, counts = self.embed(modalities, mask, present, self.positions)
        here = None if present is None else ops.cast(present, "bool")
        nothing = ops.zeros_like(tokens[0][:, :1])
        streams = [
            joined([nothing + ops.cast(c, nothing.dtype), t], [None, count])
            for c, t, count in zip(self.class_tokens, tokens, counts, strict=True)
        ]
        shared, n, m = None, len(self.widths), self.bottlenecks
        for i in range(self.num_layers):
            if i == self.fusion_layer and self.shared_tokens is not None:
                shared = nothing + ops.cast(self.shared_tokens, nothing.dtype)
            exchanged = []
            for k, block in enumerate(self.blocks[i * n : (i + 1) * n]):
                x, count = streams[k]
                if shared is not None:
                    x, count = joined([x, shared], [count, None])
                # Of the last layer only the class tokens are read.
                queries = x[:, :1] if i == self.num_layers - 1 else x
                x, _ = block(queries, x, count, training=training)
                if shared is not None and i < self.num_layers - 1:
                    exchanged.append(x[:, -m:])
                    x = x[:, :-m]
                streams[k] = x, streams[k][1]
            if exchanged:
                shared = _mean(exchanged, here)
        found = [self.norm(x[:, 0]) for x, _ in streams]
        if here is None:
            return found
        return [ops.where(column(here, k, 2), x, ops.zeros_like(x)) for k, x in enumerate(found)]

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return [(shape[0], self.units) for shape in shapes]

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "fusion_layer": self.fusion_layer,
            "bottlenecks": self.bottlenecks,
            "positions": self.positions,
        }


def _mean(tensors, here):
    """The mean of `(batch, tokens, units)` tensors, or of those whose modality a sample has."""
    if here is None:
        return sum(tensors) / len(tensors)
    weights = ops.cast(here, tensors[0].dtype)
    total = sum(column(weights, k, 3) * x for k, x in enumerate(tensors))
    count = ops.reshape(ops.sum(weights, axis=1), (-1, 1, 1))
    return total / ops.maximum(count, 1)
