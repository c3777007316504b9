"""Transformer blocks, and what the layers have in common that let all tokens attend."""

import keras
import numpy as np
from keras import layers, ops

from keras_fusion._checks import check_int, check_multiple, check_rate, check_seed
from keras_fusion.layers._tokens import all_tokens_of, check_masks, filled
from keras_fusion.layers.fusion_layer import FusionLayer


def small_numbers():
    """N(0, 0.02), a new one for every weight: an initializer draws the same at every call."""
    return keras.initializers.RandomNormal(stddev=0.02)


def gelu(x):
    """By a tanh: ONNX has no function for the form with erfc that Keras makes."""
    return keras.activations.gelu(x, approximate=True)


class Block(layers.Layer):
    """A block of a Transformer: multi-head attention and two dense layers, each with a residual.

        post   h = LN(x + MHA(x, y)),           out = LN(h + FFN(h))
        pre    h = x + MHA(LN_q(x), LN_k(y)),   out = h + FFN(LN(h))

    Args:
        units, num_heads, feedforward_units, dropout, seed: See `TransformerFusion`.
        norm: String, `"post"` or `"pre"`.
        activation: String or function, inside the FFN.
        cross: Boolean, whether x and y have norms of their own.
    """

    def __init__(
        self, units, num_heads, feedforward_units, dropout, seed, norm, activation, cross, **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.num_heads = num_heads
        self.norm = norm

        def dense(width, name, activation=None, use_bias=True):
            return layers.Dense(width, activation, use_bias, dtype=self.dtype_policy, name=name)

        def layer_norm(name):
            return layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name=name)

        self.query = dense(units, "query")
        # A bias would add the same to all scores of a query, and never learn.
        self.key = dense(units, "key", use_bias=False)
        self.value = dense(units, "value")
        self.read = dense(units, "read")
        self.inner = dense(feedforward_units, "inner", activation)
        self.outer = dense(units, "outer")
        self.attention_norm = layer_norm("attention_norm")
        self.keys_norm = layer_norm("keys_norm") if cross else None
        self.feedforward_norm = layer_norm("feedforward_norm")
        # One for all places: it draws anew at every call.
        self.dropout = layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy, name="dropout")

    def build(self, queries_shape):
        norms = [self.attention_norm, self.keys_norm, self.feedforward_norm]
        norms = [norm for norm in norms if norm is not None]
        for layer in (self.query, self.key, self.value, self.read, self.inner, *norms):
            layer.build((None, None, self.units))
        self.outer.build((None, None, self.inner.units))
        self.dropout.build((None, None, self.units))

    def call(self, queries, keys=None, counts=None, training=None):
        """What becomes of the queries, and their attention `(batch, heads, queries, keys)`.

        `keys` are the queries themselves by default; `counts`, bool `(batch, keys)`, which of them
        are looked at. A query without any key reads zeros.
        """
        if self.norm == "post":
            keys = queries if keys is None else keys
            found, shares = self._attend(queries, keys, counts, training)
            x = self.attention_norm(queries + found)
            return self.feedforward_norm(x + self._feedforward(x, training)), shares
        normed = self.attention_norm(queries)
        keys_norm = self.keys_norm or self.attention_norm
        keys = normed if keys is None else keys_norm(keys)
        found, shares = self._attend(normed, keys, counts, training)
        x = queries + found
        return x + self._feedforward(self.feedforward_norm(x), training), shares

    def _attend(self, queries, keys, counts, training):
        scale = (self.units // self.num_heads) ** -0.5
        q, k, v = (
            self._heads(dense(x))
            for dense, x in ((self.query, queries), (self.key, keys), (self.value, keys))
        )
        # In float32, as sums of many exponentials are; not `ops.softmax`, which warns of one key.
        scores = ops.cast(ops.matmul(q * scale, ops.transpose(k, (0, 1, 3, 2))), "float32")
        if counts is not None:
            # Not counts[:, None, None]: LiteRT cannot index a mask.
            counts = ops.expand_dims(ops.expand_dims(counts, 1), 1)
            scores = ops.where(counts, scores, -1e30)
        powers = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        shares = powers / ops.sum(powers, axis=-1, keepdims=True)
        if counts is not None:  # without any key they were uniform
            shares = ops.where(counts, shares, 0.0)
        read = ops.matmul(self.dropout(ops.cast(shares, v.dtype), training=training), v)
        read = ops.transpose(read, (0, 2, 1, 3))
        read = ops.reshape(read, (-1, ops.shape(queries)[1], self.units))
        return self.dropout(self.read(read), training=training), shares

    def _heads(self, x):
        """`(batch, tokens, units)` as `(batch, heads, tokens, units / heads)`."""
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, self.units // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def _feedforward(self, x, training):
        x = self.dropout(self.inner(x), training=training)
        return self.dropout(self.outer(x), training=training)


class TokenFusion(FusionLayer):
    """Base of the layers that project the modalities' tokens to one width and let them attend."""

    min_modalities = 2

    def __init__(self, units, num_heads, feedforward_units, dropout, seed, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        num_heads = check_int("num_heads", num_heads)
        check_multiple("units", units, num_heads)
        feedforward_units = check_int("feedforward_units", feedforward_units)
        dropout = check_rate("dropout", dropout)
        seed = check_seed("seed", seed)
        self.units = units
        self.num_heads = num_heads
        self.feedforward_units = feedforward_units
        self.dropout = dropout
        self.seed = seed

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.projections = []
        for k, width in enumerate(self.widths):
            projection = layers.Dense(
                self.units,
                bias_initializer=small_numbers(),
                dtype=self.dtype_policy,
                name=f"projection_{k}",
            )
            projection.build((None, None, width))
            self.projections.append(projection)

    def make_block(self, name, number, norm="pre", activation=gelu, cross=False):
        """A built block; `number` tells its dropout from that of others."""
        seed = None if self.seed is None else self.seed + number
        block = Block(
            *(self.units, self.num_heads, self.feedforward_units, self.dropout, seed),
            *(norm, activation, cross),
            dtype=self.dtype_policy,
            name=name,
        )
        block.build((None, None, self.units))
        return block

    def make_norm(self):
        """A built layer normalization, of what comes out of blocks that have theirs before."""
        norm = layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name="norm")
        norm.build((None, None, self.units))
        return norm

    def embed(self, modalities, mask, present, positions):
        """The tokens of every modality, `(batch, tokens, units)`, and which count, or None."""
        masks = check_masks(mask, modalities)
        tokens, counts = all_tokens_of(modalities, masks, present, self.compute_dtype)
        tokens = [p(t) for p, t in zip(self.projections, tokens, strict=True)]
        if positions:
            tokens = [
                t if len(x.shape) == 2 else with_positions(t)
                for t, x in zip(tokens, modalities, strict=True)
            ]
        return tokens, counts

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "feedforward_units": self.feedforward_units,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def with_positions(tokens):
    """Tokens `(batch, tokens, units)` and their sinusoidal positions, counted from 0."""
    units = tokens.shape[-1]
    channels = np.arange(units)
    rates = 10000.0 ** (-(channels - channels % 2) / units)
    phases = channels % 2 * np.pi / 2  # a cosine in every second channel
    places = ops.arange(ops.shape(tokens)[1], dtype="float32")[:, None]
    angles = places * ops.cast(rates, "float32") + ops.cast(phases, "float32")
    return tokens + ops.cast(ops.sin(angles), tokens.dtype)


def joined(tokens, counts):
    """The tokens of all modalities in a row, and which of them count, or None if all do."""
    if all(c is None for c in counts):
        return ops.concatenate(tokens, axis=1), None
    return ops.concatenate(tokens, axis=1), ops.concatenate(filled(tokens, counts), axis=1)


def shares_by_modality(shares, tokens):
    """`(batch, modalities)`, from shares `(batch, all tokens)` of the tokens of each."""
    found, start = [], 0
    for t in tokens:
        end = start + ops.shape(t)[1]
        found.append(ops.sum(shares[:, start:end], axis=1))
        start = end
    return ops.stack(found, axis=1)
