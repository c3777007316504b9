"""A few latent vectors that read the tokens of all modalities."""

import keras
from keras import ops

from keras_fusion._checks import check_bool, check_int
from keras_fusion.layers._transformer import (
    TokenFusion,
    joined,
    shares_by_modality,
    small_numbers,
)


@keras.saving.register_keras_serializable(package="keras_fusion")
class LatentFusion(TokenFusion):
    """A few learned latent vectors look at all tokens once, then at each other.

    Use it for long or many modalities: for L tokens in all and N latents the look costs N L and
    every later layer N^2, so that the cost grows with the tokens and not with their square.
    `build_bottleneck(mode="latents")` places it behind the backbones.

    With X the tokens W_k h_k + e_k of all modalities in a row, with their positions, and Z the
    latents, which are learned and start as N(0, 0.02):

        y = Z + MHA(LN(Z), LN(X)),  Z <- y + FFN(LN(y))
        y = Z + MHA(LN(Z), LN(Z)),  Z <- y + FFN(LN(y))     num_layers times
        out = mean over the latents of LN(Z)

    with a GELU, by tanh, in the FFN. The e_k are the Perceiver's learned modality vectors, added
    here where it appends them. It looks once with a single head and repeats its layers with the
    same weights; here all have the same heads and weights of their own. The last LN is ours.

    Args:
        units: Positive integer, the width of tokens and latents, a multiple of `num_heads`. The
            Perceiver's latents have `1024`.
        latents: Positive integer, how many there are. Defaults to `4` (the Perceiver: `512`).
        num_layers: Integer from 0 on, how often the latents look at each other. Defaults to `2`.
        num_heads: Positive integer. Defaults to `4` (the Perceiver: `8`).
        feedforward_units: Positive integer, the width inside the FFN. Defaults to `128` (the
            Perceiver: that of the latents).
        dropout: Float from 0 to less than 1, after the attention and in the FFN. Defaults to
            `0.1`.
        positions: Boolean, whether steps and places get sinusoidal positions; a vector has none.
            Defaults to `True`.
        seed: Integer not below 0, of the dropout, or `None`. Defaults to `None`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences, maps or videos.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`: nothing looks at the tokens of an absent modality, NaN included. Of a
            sample without any modality the latents alone are left.
        mask: Optional list of one mask or None per modality, `(batch, steps)`: nothing looks at
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
    >>> fusion = kf.layers.LatentFusion(units=8, latents=6)
    >>> frames, sound = np.ones((5, 7, 7, 4)), np.ones((5, 30, 2))
    >>> fusion([frames, sound]).shape == (5, 8)
    True

    Reference:
        Jaegle et al. (2021), Perceiver: General Perception with Iterative Attention, Sect. 3.
    """

    fusion_weights_per = "sample"

    def __init__(
        self,
        units,
        latents=4,
        num_layers=2,
        num_heads=4,
        feedforward_units=128,
        dropout=0.1,
        positions=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(units, num_heads, feedforward_units, dropout, seed, **kwargs)
        latents = check_int("latents", latents)
        num_layers = check_int("num_layers", num_layers, minimum=0)
        positions = check_bool("positions", positions)
        self.latents = latents
        self.num_layers = num_layers
        self.positions = positions

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.latent_tokens = self.add_weight(
            (self.latents, self.units), small_numbers(), name="latents"
        )
        self.look = self.make_block("look", 0, cross=True)
        self.blocks = [self.make_block(f"block_{i}", i + 1) for i in range(self.num_layers)]
        self.norm = self.make_norm()

    # `modalities_mask` is how Keras calls the masks it carries where there is a `present` too.
    def call(self, modalities, present=None, mask=None, modalities_mask=None, training=None):
        mask = modalities_mask if mask is None else mask
        z, _, _ = self._look(modalities, present, mask, training)
        for block in self.blocks:
            z, _ = block(z, training=training)
        return ops.mean(self.norm(z), axis=1)

    def _look(self, modalities, present, mask, training=False):
        """What the latents are after the first look, its attention, and the tokens."""
        tokens, counts = self.embed(modalities, mask, present, self.positions)
        z = ops.zeros_like(tokens[0][:, :1]) + ops.cast(self.latent_tokens, self.compute_dtype)
        z, shares = self.look(z, *joined(tokens, counts), training=training)
        return z, shares, tokens

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], self.units)

    def fusion_weights(self, modalities, present=None, mask=None):
        """The share of every modality, for each sample.

        How much the latents attend to the tokens of a modality in their first look, summed over
        the tokens, as the mean of all latents and heads.

        Args:
            modalities, present, mask: As in the call.

        Returns:
            Tensor `(batch, number of modalities)`: floats in [0, 1] that sum to 1 for every
            sample (zeros for one without any modality).
        """
        self.check_built()
        _, shares, tokens = self._look(modalities, present, mask)
        return shares_by_modality(ops.mean(shares, axis=(1, 2)), tokens)

    def get_config(self):
        return {
            **super().get_config(),
            "latents": self.latents,
            "num_layers": self.num_layers,
            "positions": self.positions,
        }
