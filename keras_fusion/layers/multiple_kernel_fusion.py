"""Multiple kernel learning: a convex combination of the modalities' kernels."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_bool, check_int
from keras_fusion.layers._kernels import (
    draw_rows,
    frozen,
    gamma_of,
    inverse_root,
    kernel,
    kernel_table,
    plain,
    scales_of,
)
from keras_fusion.layers.fusion_layer import FusionLayer, masked_softmax


@keras.saving.register_keras_serializable(package="keras_fusion")
class MultipleKernelFusion(FusionLayer):
    """Weighted sum of kernels, each of one modality: how alike samples are in all of them.

    Use it where the modalities are given as good features and the data are few: with a linear
    classifier on top it is a kernel machine, and its weights tell which modality, and which
    kernel, counts. `build_kernel_fusion` places it behind the backbones for you.

    Overview, Eq. (1) to (3), between a sample x and m landmarks z_1 ... z_m, each of them one
    point in all modalities, so that the sum of the kernels is a kernel:

        K(x, z) = sum_i beta_i K_i(x, z),    sum_i beta_i = 1,    beta_i >= 0

    Every K_i sees one modality: "rbf" exp(-gamma |x - z|^2), "linear" gamma x.z, or "polynomial"
    ((gamma x.z + 1) / 2)^degree. The betas are the softmax of a trained vector that starts at 0,
    so none becomes exactly 0; they are learned with all the rest (the overview names no method).

    `adapt` takes the landmarks, at random, from the rows of data, and chooses the gammas: for
    "rbf" 1 / (2 s^2), s being the median distance of two landmarks; for the others 1 / (mean
    |z|^2), so that all kernels are about 1 between a sample and itself. The landmarks of a layer
    that is not adapted are drawn from a normal distribution, with the gammas for features of
    mean 0 and variance 1, and have to be trained: an RBF network, whose landmarks are points like
    any others but no samples. The overview has samples alone: `train_landmarks=False`.

    Args:
        kernels: One kernel, a list of kernels for every modality, or a list of such lists, one
            per modality. A kernel is a name, or a pair of name and parameter: `("rbf", factor)`
            with a positive float by which the bandwidth s is multiplied (1 for the name alone);
            `("polynomial", degree)` with a positive integer (2). Defaults to `"rbf"`.
        landmarks: Integer, 2 or more, their number m and the width of the output. Defaults to
            `64`.
        train_landmarks: Boolean, whether the landmarks are trained, from where `adapt` has put
            them or from random points. If not, `adapt` has to come before the first call.
            Landmarks that are not trained stay where they are when networks under the layer
            learn: adapt again, or train them. Defaults to `True`.
        nystroem: Boolean, whether the output is K(x, Z) (K(Z, Z) + eps I)^-1/2, whose inner
            products approximate K itself (Nystroem), with eps 1e-6 of the largest eigenvalue. The
            root is that of the moment of `adapt`; before, it is the identity. Defaults to
            `False`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. The kernels of an absent modality, NaN included, are left out, and the
            betas of the others divided by their sum. A sample without any modality gets zeros.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, landmarks)`.

    Weights:
        `landmarks_k`, one matrix per modality; `alpha`, of which the betas are the softmax;
        not trained: `gamma`, one per kernel, and `root` (if `nystroem`).

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors.
        RuntimeError: a call before `adapt` of a layer whose landmarks are not trained.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, text = np.random.normal(size=(9, 5)), np.random.normal(size=(9, 3))
    >>> layer = kf.layers.MultipleKernelFusion(["rbf", "linear"], landmarks=4)
    >>> layer.adapt([image, text], seed=0)
    >>> layer([image, text]).shape == (9, 4)
    True
    >>> layer.fusion_weights().tolist(), layer.betas()
    ([0.5, 0.5], [[0.25, 0.25], [0.25, 0.25]])

    Reference:
        Yang et al. (2022), An Overview of Multimodal Fusion Learning, Eq. (1) to (3). Gönen &
        Alpaydin (2011), Multiple Kernel Learning Algorithms. Williams & Seeger (2001), Using the
        Nyström Method to Speed Up Kernel Machines.
    """

    min_modalities = 2
    ranks = (2,)
    fusion_weights_per = "layer"

    def __init__(self, kernels="rbf", landmarks=64, train_landmarks=True, nystroem=False, **kwargs):
        super().__init__(**kwargs)
        landmarks = check_int("landmarks", landmarks, minimum=2)
        train_landmarks = check_bool("train_landmarks", train_landmarks)
        nystroem = check_bool("nystroem", nystroem)
        # As tuples: Keras would wrap lists.
        self.kernels = frozen(kernels)
        kernel_table(self.kernels)
        self.landmarks = landmarks
        self.train_landmarks = train_landmarks
        self.nystroem = nystroem

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self._table = kernel_table(self.kernels, len(self.widths))
        self._ready = self.train_landmarks
        # Nothing that looks like landmarks where only `adapt` can give some.
        start = keras.initializers.RandomNormal(stddev=1.0) if self.train_landmarks else _nan
        self.points = [
            self.add_weight(
                shape=(self.landmarks, width),
                initializer=start,
                trainable=self.train_landmarks,
                autocast=False,
                name=f"landmarks_{k}",
            )
            for k, width in enumerate(self.widths)
        ]
        self.alpha = self.add_weight(
            shape=(len(self._table),), initializer="zeros", autocast=False, name="alpha"
        )
        # Distances and squared lengths of features with variance 1.
        gammas = [
            gamma_of(kind, parameter, (2 * self.widths[k]) ** 0.5, self.widths[k])
            for k, kind, parameter in self._table
        ]
        self.gamma = self._constant("gamma", gammas)
        if self.nystroem:
            self.root = self._constant("root", np.eye(self.landmarks))

    def _constant(self, name, value):
        return self.add_weight(
            shape=np.shape(value),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(value, dtype=dtype),
            trainable=False,
            autocast=False,
            name=name,
        )

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        if not self._ready:
            raise RuntimeError(
                f"{self.name}: expected a call of adapt() before the layer is used, as its "
                "landmarks are not trained (for a whole model: kf.models.adapt_kernels(model, x))"
                ". Received: no landmarks yet"
            )
        fused = self._fused(modalities, present)
        if self.nystroem:
            fused = ops.matmul(fused, self.root)
        return ops.cast(fused, self.compute_dtype)

    def _fused(self, modalities, present=None):
        """K between the samples and the landmarks, `(batch, landmarks)` in float32."""
        betas = self._betas(present)
        # Half precision is too coarse for differences of squares.
        modalities = [ops.cast(x, "float32") for x in modalities]
        return sum(
            betas[:, i : i + 1]
            * kernel(modalities[k], self.points[k], self.gamma[i], kind, parameter)
            for i, (k, kind, parameter) in enumerate(self._table)
        )

    def _betas(self, present=None):
        """`(batch, kernels)`, or `(1, kernels)` if no modality is absent; float32."""
        alpha = ops.cast(self.alpha, "float32")[None, :, None]
        if present is not None:
            present = ops.take(present, [k for k, _, _ in self._table], axis=1)
        return masked_softmax(alpha, present)[:, :, 0]

    def adapt(self, modalities, present=None, seed=None):
        """Takes the landmarks from data and chooses the kernels' gammas and the root.

        Args:
            modalities: List of arrays `(rows, features_k)`, the same samples in all of them, of
                which `landmarks` are drawn at random, without replacement.
            present: Optional array `(rows, number of modalities)`. Rows that lack a modality are
                not drawn. Defaults to `None`.
            seed: Integer, or `None` for what `keras.utils.set_random_seed` says. Defaults to
                `None`.

        Raises:
            ValueError: fewer complete rows than landmarks, values that are not finite, or rows
                that are all alike.
        """
        if not isinstance(modalities, (list, tuple)):
            raise TypeError(
                f"modalities: expected a list of arrays. Received: {type(modalities).__name__}"
            )
        arrays = [ops.convert_to_numpy(x) for x in modalities]
        if not self.built:
            self.build([x.shape for x in arrays])
        shapes = self.check_shapes([x.shape for x in arrays])
        if [shape[-1] for shape in shapes] != self.widths or len({len(x) for x in arrays}) != 1:
            raise ValueError(
                f"modalities: expected as many rows in each, of the widths {self.widths}. "
                f"Received shapes: {[x.shape for x in arrays]}"
            )
        chosen = draw_rows(len(arrays[0]), self.landmarks, present, seed)
        points = [x[chosen].astype("float32") for x in arrays]
        scales = [scales_of(z, k) for k, z in enumerate(points)]
        for weight, z in zip(self.points, points, strict=True):
            weight.assign(z)
        self.gamma.assign([gamma_of(kind, p, *scales[k]) for k, kind, p in self._table])
        if self.nystroem:
            self.root.assign(inverse_root(ops.convert_to_numpy(self._fused(points))))
        self._ready = True

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self._ready = bool(np.isfinite(ops.convert_to_numpy(self.points[0])).all())

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], self.landmarks)

    def betas(self):
        """The weight of every kernel: one list of floats per modality; all together sum to 1."""
        self.check_built("betas")
        betas = ops.convert_to_numpy(self._betas()[0]).astype("float64")
        betas = betas / betas.sum()
        found = [[] for _ in self.widths]
        for (k, _, _), beta in zip(self._table, betas, strict=True):
            found[k].append(float(beta))
        return found

    def fusion_weights(self):
        """The share of every modality, the sum of its kernels' betas: a NumPy array."""
        return np.array([sum(betas) for betas in self.betas()])

    def get_config(self):
        return {
            **super().get_config(),
            "kernels": plain(self.kernels),
            "landmarks": self.landmarks,
            "train_landmarks": self.train_landmarks,
            "nystroem": self.nystroem,
        }


def _nan(shape, dtype=None):
    return ops.full(shape, np.nan, dtype=dtype)
