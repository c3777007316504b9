"""Multi-interactive memory: attention over several modalities in several hops."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_int, check_recurrent
from keras_fusion.layers._tokens import (
    all_tokens_of,
    check_mask,
    check_masks,
    filled,
    mean_of,
    shares_of,
    tokens_of,
)
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class MultiInteractiveMemory(FusionLayer):
    """Reads the modalities in several hops; each one's state guides how all of them are read.

    Use it where a question decides what matters: the aspect of a review, a question about an
    image. Every modality is a memory of tokens (the steps of a sequence, the places of a map or
    video; a vector is one token). `build_interactive_memory` places it behind the backbones for
    you.

    The overview, Sect. 3.2, has no equations. These follow the authors' model, with m_ki the
    tokens of memory k, e_k its state and q the query:

        m_ki = P_k x_ki + c_k,   e_k(0) = Q q + c
        s_jki(t) = v_jk . tanh(U_jk m_ki + V_jk e_j(t-1) + b_jk)
        r_jk(t) = sum_i softmax_i(s_jki(t)) m_ki
        e_k(t) = GRU_k(mean_j r_jk(t), e_k(t-1)),   t = 1 ... hops
        output: [e_1(hops), ..., e_n(hops)]

    r_kk is the self-interactive, r_jk with j != k the cross-interactive attention; in the first
    hop all states are the query, and guide by it. As in the authors' code, weights are the same
    in every hop. Ours: the projections to one width (their recurrent networks make it), the tanh
    of a layer inside the score (theirs is outside), more than two memories, and a learned vector
    for e_k(0) where there is no query. Their recurrent networks are not part of the layer.

    Args:
        units: Positive integer, the width of memories and states.
        hops: Positive integer. Defaults to `3`, as in the authors' code.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences, maps or videos: the memories.
        query: Optional tensor like one of them; its mean over the tokens is q. Given in the
            first call or never.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`, with one more column at the end if there is a query. An absent memory,
            NaN included, is not read, its state guides nothing, and zeros come out for it; so it
            is with one whose mask leaves nothing. Where the query is absent e_k(0) is zeros.
        mask: Optional list of one mask or None per modality, `(batch, steps)`: other steps are
            not read. By default the masks that Keras carries with the tensors.
        query_mask: The same for the query.

    Input shape:
        List of `(batch, ..., features_k)`; `query`: `(batch, ..., features)`.

    Output shape:
        `(batch, number of modalities * units)`, values in (-1, 1) if those of e_k(0) are.

    Raises:
        TypeError, ValueError: arguments out of their range, or tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> words, regions, aspect = np.ones((2, 9, 6)), np.ones((2, 7, 7, 4)), np.ones((2, 3))
    >>> memory = kf.layers.MultiInteractiveMemory(units=8, hops=2)
    >>> memory([words, regions], query=aspect).shape == (2, 16)
    True

    Reference:
        Xu, Mao & Chen (2019), Multi-Interactive Memory Network for Aspect Based Multimodal
        Sentiment Analysis. Yang et al. (2022), An Overview of Multimodal Fusion Learning,
        Sect. 3.2.
    """

    min_modalities = 2
    checked = ("query", "present")

    def __init__(self, units, hops=3, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        hops = check_int("hops", hops)
        check_recurrent(self.dtype_policy)
        self.units = units
        self.hops = hops

    def build(self, modalities_shape=(), query_shape=None, present_shape=None):
        super().build(modalities_shape, query_shape=query_shape, present_shape=present_shape)
        n = len(self.widths)
        self.query_width = None if query_shape is None else query_shape[-1]
        if query_shape is None:
            self.initial_state = self.add_weight(shape=(self.units,), name="initial_state")
        else:
            self.query_projection = self._dense(self.units, "query_projection", query_shape[-1])
        self.projections, self.keys, self.guides, self.cells = [], [], [], []
        for k, width in enumerate(self.widths):
            self.projections.append(self._dense(self.units, f"projection_{k}", width))
            # U_jk and b_jk for all j in one, then V_kj for all j.
            self.keys.append(self._dense(n * self.units, f"keys_{k}", self.units))
            self.guides.append(self._dense(n * self.units, f"guide_{k}", self.units, False))
            cell = layers.GRUCell(self.units, dtype=self.dtype_policy, name=f"gru_{k}")
            cell.build((None, self.units))
            self.cells.append(cell)
        self.scores = self.add_weight(shape=(n, n, self.units), name="scores")

    def _dense(self, units, name, width, use_bias=True):
        dense = layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy, name=name)
        dense.build((None, width))
        return dense

    def check_shapes(self, modalities_shape, query_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape)
        has_query = query_shape is not None
        if has_query and (len(query_shape) < 2 or query_shape[-1] is None):
            raise ValueError(
                f"query: expected a tensor (batch, ..., features). Received: {tuple(query_shape)}"
            )
        width = query_shape[-1] if has_query else None
        if self.built and width != self.query_width:
            raise ValueError(
                f"query: expected the width {self.query_width} for which this layer was built "
                f"(None: without). Received: {width}"
            )
        self.check_present(present_shape, len(shapes) + has_query)
        return shapes

    # `modalities_mask` is how Keras calls the masks it carries where there are more arguments.
    def call(
        self,
        modalities,
        query=None,
        present=None,
        mask=None,
        modalities_mask=None,
        query_mask=None,
    ):
        n = len(self.widths)
        masks = check_masks(modalities_mask if mask is None else mask, modalities)
        here = None if present is None else present[:, :n]
        memories, counts = all_tokens_of(modalities, masks, here, self.compute_dtype)
        memories = [p(m) for p, m in zip(self.projections, memories, strict=True)]
        counts = filled(memories, counts)
        here = ops.stack([ops.any(c, axis=1) for c in counts], axis=1)
        weights = ops.cast(here, self.compute_dtype)
        weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        # U m + b is the same in every hop.
        keys = [self._apart(dense(m)) for dense, m in zip(self.keys, memories, strict=True)]
        states = [self._first_state(query, query_mask, present, ops.shape(here)[0])] * n
        for _ in range(self.hops):
            guides = [self._apart(dense(e)) for dense, e in zip(self.guides, states, strict=True)]
            guides = ops.stack(guides, axis=1)  # (batch, j, k, units)
            for k in range(n):
                hidden = ops.tanh(keys[k] + guides[:, None, :, k])  # (batch, tokens, j, units)
                scores = ops.sum(hidden * ops.cast(self.scores[k], hidden.dtype), axis=-1)
                shares = ops.cast(shares_of(scores, counts[k]), hidden.dtype)
                read = ops.einsum("bj,bij,biu->bu", weights, shares, memories[k])
                states[k], _ = self.cells[k](read, states[k])
        states = [ops.where(here[:, k : k + 1], e, ops.zeros_like(e)) for k, e in enumerate(states)]
        return ops.concatenate(states, axis=-1)

    def _apart(self, x):
        """`(batch, ..., n * units)` as `(batch, ..., n, units)`."""
        # Not by reshape: with open sizes tf2onnx makes a wrong shape of it.
        return ops.stack(ops.split(x, len(self.widths), axis=-1), axis=-2)

    def _first_state(self, query, mask, present, batch):
        """e_k(0), the same for all k."""
        if query is None:
            state = ops.cast(self.initial_state, self.compute_dtype)
            return ops.broadcast_to(state, (batch, self.units))
        check_mask(mask, tuple(query.shape))
        here = None if present is None else ops.cast(present[:, -1], "bool")
        state = self.query_projection(mean_of(*tokens_of(query, mask, here, self.compute_dtype)))
        return state if here is None else ops.where(here[:, None], state, ops.zeros_like(state))

    def compute_output_shape(self, modalities_shape=(), query_shape=None, present_shape=None):
        shapes = self.check_shapes(modalities_shape, query_shape, present_shape)
        return (shapes[0][0], len(shapes) * self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "hops": self.hops}
