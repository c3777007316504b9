"""A small Transformer over the modalities: a class token attends to one or more tokens of each."""

import keras
from keras import ops

from keras_fusion._checks import check_choice, check_int
from keras_fusion.layers._transformer import (
    TokenFusion,
    joined,
    shares_by_modality,
    small_numbers,
    with_positions,
)

NORMS = ("post", "pre")
POSITIONS = (None, "modality", "sequence")


@keras.saving.register_keras_serializable(package="keras_fusion")
class TransformerFusion(TokenFusion):
    """Transformer encoder over the tokens of all modalities; what its class token has read.

    Use it as the strong simple baseline: with one vector per modality it is small, takes any
    number of them, and missing ones are just not looked at. Sequences, maps and videos give a
    token for every step or place. `build_late_transformer` places it behind the backbones.

    With the tokens h_k of modality k, and LN, MHA and FFN those of a Transformer's encoder:

        x_0 = [c, W_1 h_1 + e_1, ..., W_n h_n + e_n]
        y_l = LN(x_l + MHA(x_l)),  x_{l+1} = LN(y_l + FFN(y_l))    for l = 0 .. num_layers - 1
        out = x_L at the place of c

    MHA(x) = softmax(Q K^T / sqrt(units / num_heads)) V in every head, then a dense layer;
    FFN(x) = W'' relu(W' x + b') + b''; dropout acts on the attention, on what it reads, and inside
    and after the FFN. c and the e_k start as N(0, 0.02). In the study the positions tell the
    modalities apart, so that their order matters; here the vectors e_k do, and it does not.

    Args:
        units: Positive integer, the width of the tokens, a multiple of `num_heads`. The study's
            starting point is `512`.
        num_layers: Positive integer. Defaults to `2` (the study: `4`).
        num_heads: Positive integer. Defaults to `4` (the study: `8`).
        feedforward_units: Positive integer, the width inside the FFN. Defaults to `128` (the
            study: `256`).
        dropout: Float from 0 to less than 1. Defaults to `0.1` (the study: `0.2`).
        norm: String, `"post"`, as above, or `"pre"`: y_l = x_l + MHA(LN(x_l)),
            x_{l+1} = y_l + FFN(LN(y_l)), and a last LN, which trains more easily where there are
            many layers. Defaults to `"post"`.
        positions: String or `None`. `"modality"`: the steps and places of a modality get
            sinusoidal positions, counted from 0 in each modality; a vector has none.
            `"sequence"`, the study's: all tokens get them, c the first, padding counted too.
            `None`: none. Defaults to `"modality"`.
        seed: Integer not below 0, of the dropout, or `None`. Defaults to `None`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences, maps or videos.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`: nothing attends to the tokens of an absent modality, NaN included. A
            sample without any modality gets what c reads of itself.
        mask: Optional list of one mask or None per modality, `(batch, steps)`: nothing attends to
            steps that do not count. By default the masks that Keras carries with the tensors.
        training: Whether to apply dropout.

    Input shape:
        List of `(batch, ..., features_k)`.

    Output shape:
        `(batch, units)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> fusion = kf.layers.TransformerFusion(units=8)
    >>> image, sound, text = np.ones((5, 4)), np.ones((5, 2)), np.ones((5, 7, 3))
    >>> fusion([image, sound, text]).shape == (5, 8)
    True
    >>> fusion.fusion_weights([image, sound, text]).shape == (5, 3)
    True

    Reference:
        Rheude, Eils & Wild (2025), Fusion or Confusion? Multimodal Complexity Is Not All You Need.
        Vaswani et al. (2017), Attention Is All You Need, Sect. 3.
    """

    fusion_weights_per = "sample"

    def __init__(
        self,
        units,
        num_layers=2,
        num_heads=4,
        feedforward_units=128,
        dropout=0.1,
        norm="post",
        positions="modality",
        seed=None,
        **kwargs,
    ):
        super().__init__(units, num_heads, feedforward_units, dropout, seed, **kwargs)
        num_layers = check_int("num_layers", num_layers)
        check_choice("norm", norm, NORMS)
        check_choice("positions", positions, POSITIONS)
        self.num_layers = num_layers
        self.norm = norm
        self.positions = positions

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.class_token = self.add_weight((self.units,), small_numbers(), name="class_token")
        self.blocks = [
            self.make_block(f"block_{i}", i, self.norm, "relu") for i in range(self.num_layers)
        ]
        self.last_norm = self.make_norm() if self.norm == "pre" else None

    # `modalities_mask` is how Keras calls the masks it carries where there is a `present` too.
    def call(self, modalities, present=None, mask=None, modalities_mask=None, training=None):
        mask = modalities_mask if mask is None else mask
        found, _, _ = self._run(modalities, present, mask, training)
        return found if self.last_norm is None else self.last_norm(found)

    def _run(self, modalities, present, mask, training=False):
        """What c becomes, the tokens of every modality, and c's attention in the last block."""
        within = self.positions == "modality"
        tokens, counts = self.embed(modalities, mask, present, within)
        start = ops.zeros_like(tokens[0][:, :1]) + ops.cast(self.class_token, self.compute_dtype)
        x, counts = joined([start, *tokens], [None, *counts])
        if self.positions == "sequence":
            x = with_positions(x)
        for block in self.blocks[:-1]:
            x, _ = block(x, counts=counts, training=training)
        # Of the last block nothing else is read.
        x, shares = self.blocks[-1](x[:, :1], x, counts, training=training)
        return x[:, 0], tokens, shares

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], self.units)

    def fusion_weights(self, modalities, present=None, mask=None):
        """The share of every modality, for each sample.

        How much the class token attends to the tokens of a modality in the last block, summed over
        them, as the mean of all heads, and divided by the same of all modalities: what the class
        token keeps of itself is left out.

        Args:
            modalities, present, mask: As in the call.

        Returns:
            Tensor `(batch, number of modalities)`: floats in [0, 1] that sum to 1 for every
            sample (zeros for one without any modality).
        """
        self.check_built()
        _, tokens, shares = self._run(modalities, present, mask)
        found = shares_by_modality(ops.mean(shares, axis=1)[:, 0, 1:], tokens)
        return found / ops.maximum(ops.sum(found, axis=1, keepdims=True), 1e-30)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "norm": self.norm,
            "positions": self.positions,
        }
