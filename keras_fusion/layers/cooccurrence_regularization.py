"""Draws together what the modalities of one sample are represented by."""

from itertools import combinations

import keras
from keras import ops

from keras_fusion._checks import check_factor
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class CooccurrenceRegularization(FusionLayer):
    """Passes vectors on, and adds to the loss how far those of one sample lie apart.

    Use it on the top hidden layers of two networks that see the same things by different
    modalities: what occurs together shall be represented alike. `build_dtn` places it for you.
    Every sample i of a batch of B is a co-occurrence pair of the modalities k and l, and with
    their vectors h

        J_2 = 1/B sum_i sum_{k<l} ||h_ki - h_li||^2

    eta J_2 is added to the loss. XFlow names J_2, "the loss over co-occurrence pairs" of deep
    transfer networks, without an equation. The squared distance is our simplification of it, the
    mean over the batch our choice, and so are all pairs where there are more than two modalities.

    Args:
        pair_weight: Float not below 0, eta. Defaults to `1e-6`, XFlow's.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors of one width.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. Pairs with an absent modality add nothing (and B stays the size of the
            batch); its vector, NaN included, is replaced by zeros.

    Input shape:
        List of `(batch, features)`, all of one width.

    Output shape:
        The same.

    Raises:
        TypeError, ValueError: a negative weight, or anything but a list of vectors of one width.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> layer = kf.layers.CooccurrenceRegularization(pair_weight=0.5)
    >>> image, sound = layer([np.ones((2, 3)), np.zeros((2, 3))])
    >>> float(sum(layer.losses))  # 0.5 * 3
    1.5

    Reference:
        Shu, Qi, Tang & Wang (2015), Weakly-Shared Deep Transfer Networks for
        Heterogeneous-Domain Knowledge Propagation; Cangea et al. (2017), XFlow, Sect. III-A-3.
    """

    min_modalities = 2
    ranks = (2,)
    equal = "shape"

    def __init__(self, pair_weight=1e-6, **kwargs):
        super().__init__(**kwargs)
        pair_weight = check_factor("pair_weight", pair_weight)
        self.pair_weight = pair_weight

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        apart = 0.0
        # float32: squares soon leave the range of half precision.
        hidden = [ops.cast(h, "float32") for h in modalities]
        for i, j in combinations(range(len(hidden)), 2):
            distance = ops.sum(ops.square(hidden[i] - hidden[j]), axis=-1)
            if present is not None:
                here = ops.cast(present, "bool")
                both = ops.logical_and(here[:, i], here[:, j])
                distance = ops.where(both, distance, 0.0)
            apart = apart + ops.mean(distance)
        self.add_loss(self.pair_weight * apart)
        return modalities

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        return self.check_shapes(modalities_shape, present_shape=present_shape)

    def get_config(self):
        return {**super().get_config(), "pair_weight": self.pair_weight}
