"""Two views of one image, made from two sets of singular vectors (CentralNet, section 3.1)."""

import dataclasses
import numbers
import operator

import numpy as np

from keras_fusion.datasets._io import singular_vectors

MODALITIES = ("image_a", "image_b")

_CHOICES = {
    "tail": singular_vectors.tail_vectors,
    "random": singular_vectors.random_vectors,
    "leading": singular_vectors.leading_vectors,
}
_ROWS = 4096  # images worked on in float64 at a time: 25 MB for 28x28 pixels


@dataclasses.dataclass(frozen=True, eq=False)
class PCAModalities:
    """Two fitted views of an image; made by `pca_modalities`.

    Attributes:
        image_shape: Tuple, the shape of one training image as it was given.
        mean: Float64 array `(features,)`, the mean training image.
        components: Float64 array `(rank, features)`, the singular vectors of the centred
            training images in order of falling energy. Their signs differ between
            platforms; the views do not depend on them.
        spectrum: Float64 array `(rank,)`, the energy of each vector; the sum is 1.
        vectors: Dict, for `"image_a"` and `"image_b"` the sorted positions of the view's
            vectors in `components`.
    """

    image_shape: tuple
    mean: np.ndarray
    components: np.ndarray
    spectrum: np.ndarray
    vectors: dict

    @property
    def energy(self):
        """Dict, the energy that each view has reached, in `(0, 1]`."""
        return {name: float(self.spectrum[kept].sum()) for name, kept in self.vectors.items()}

    @property
    def share_ratio(self):
        """Float in `[0, 1]`, vectors common to both views / vectors of one view."""
        kept_a, kept_b = self.vectors.values()
        return len(np.intersect1d(kept_a, kept_b)) / len(kept_a)

    def reconstruct(self, images, name):
        """Rebuilds images from the vectors of one view.

        Args:
            images: Array of the training images' shape and scale, any number of them.
            name: `"image_a"` or `"image_b"`.

        Returns:
            Float32 array `(images, height, width, channels)`.

        Raises:
            ValueError: If the name, the shape or a value (NaN, infinity) is wrong.
            TypeError: If `images` are neither integers nor floats.
        """
        if name not in self.vectors:
            raise ValueError(f"name: expected one of {MODALITIES}. Received: {name!r}")
        images = _check_images(images, self.image_shape)
        kept = self.components[self.vectors[name]]
        projection = kept.T @ kept  # a vector's sign cancels here
        views = np.empty((len(images), self.mean.size), "float32")
        for start, rows in _chunks(images):
            views[start : start + len(rows)] = (rows - self.mean) @ projection + self.mean
        height, width, *channels = self.image_shape
        return views.reshape((len(images), height, width, *(channels or [1])))

    def transform(self, images):
        """Rebuilds images once for each view; see `reconstruct`.

        Returns:
            Dict with `"image_a"` and `"image_b"`.
        """
        return {name: self.reconstruct(images, name) for name in self.vectors}


def pca_modalities(images, energy=0.5, share_ratio=0.5, seed=0, shared="tail"):
    """Splits images into two artificial modalities with known energy and overlap.

    Use it to ask how fusion behaves when you control how much each modality knows and how
    much both know alike. The singular vectors `v_i` of the centred training images are fitted
    here, on the training images only; `transform` then makes the views of any images:

    ```
    view_k(x) = mean + sum over i in S_k of v_i v_i^T (x - mean)          k = a, b
    energy_k  = sum over i in S_k of s_i^2 / sum over all i of s_i^2      (s_i: singular value)
    share     = |S_a and S_b| / |S_a|,   |S_a| = |S_b|
    ```

    The paper calls the share ratio "the percentage of the singular vectors shared between
    modalities". Here it counts vectors, whatever their energy, against those of one view,
    rounded to whole vectors; both views have equally many. Vectors without energy (pixels
    that never change) belong to no view.

    The paper does not say which vectors a view gets, nor which of them are shared:

    - `"tail"`: as many vectors as the energy allows, all of them at energy 0.5. The smallest
      are shared, the others dealt to the views in turn, the larger one to the poorer view: so
      both views together hold all that is to be known. Below that energy vectors are left out
      along the whole spectrum, from a start that is drawn, and where both energies are not
      within 0.001 of `energy` vectors that are not shared change places at random. Above it
      large vectors must be shared: then all are drawn as `"random"` does.
    - `"random"`: about `energy x all` vectors for each view, drawn at random; then randomly
      picked pairs of vectors change places wherever that brings both energies closer, until
      both are within 0.001 of `energy` (images with few vectors: as close as was found).
      An energy and a share ratio so large that the views together would need more vectors
      than there are make the views smaller and richer: the draw is then less free.
    - `"leading"`: the fewest leading vectors with which both views reach `energy` (less
      0.001), passing it by up to one vector; the first ones are shared, the next ones dealt
      to the views in turn.

    On MNIST at energy 0.5 and share ratio 0.5 both views together hold all the energy by `"tail"`
    and 78 % by `"random"` (seed 0). One LeNet5 that sees both as two channels makes 120 errors
    in 10,000 test digits by `"random"`, 63 where all vectors are dealt out greedily and the
    smallest shared, which is all but `"tail"`, and 50 on the original images (Adam, 12 epochs,
    learning rate falling from 0.002, one seed). The paper has 66 on the original images and 53 to
    71 with fusion: no fusion of the `"random"` views can reach that, so `"tail"` is the default.
    The paper does not tell, and not all of its rows follow.

    The covariance is decomposed with NumPy: scikit-learn's PCA would be one more package to
    install for one call, and would hold all images in floating point. It has `features^2`
    entries, so keep to small images (28x28: 5 MB, below a second).

    Args:
        images: Training images, `(images, height, width)` or
            `(images, height, width, channels)`, at least two that differ. Integers from 0 to
            255 are scaled to `[0, 1]`; floats are taken as they are.
        energy: Float in `(0, 1]`, the energy of each view. Defaults to `0.5`.
        share_ratio: Float in `[0, 1]`. 0: the views have no vector in common; 1: they are
            equal. Defaults to `0.5`.
        seed: Integer from 0 to 2^32 - 1; the same seed draws the same vectors.
            Defaults to `0`. Not used by `"leading"`, and by `"tail"` only where vectors are
            left out.
        shared: `"tail"`, `"random"` or `"leading"`, which vectors the views share, and with
            that which they have. Defaults to `"tail"`.

    Returns:
        A fitted `PCAModalities`. `transform(images)` gives
        `{"image_a": ..., "image_b": ...}`, float32 arrays
        `(images, height, width, channels)` on the scale of the input plus some overshoot
        (MNIST at energy 0.5: about -1.2 to 1.9 for pixels in `[0, 1]`; nothing is clipped).

    Raises:
        ValueError: If an argument is out of its range, if no two views can have that
            `energy` and `share_ratio` together (energy 0.9 needs shared vectors), if the
            vectors are too few or too unequal to come within 0.05 of `energy`, or if the
            images are fewer than two, all alike, not finite or of another shape.
        TypeError: If an argument has a wrong type.

    Example:

    ```python
    import numpy as np
    from keras_fusion.datasets import pca_modalities

    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype="uint8")
    views = pca_modalities(images[:150], energy=0.5, share_ratio=0.5, seed=0)
    test = views.transform(images[150:])
    print(test["image_a"].shape, views.energy, views.share_ratio)
    ```

    Reference:
        Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
        ECCV Workshops 2018, section 3.1.
    """
    energy = _check_number("energy", energy)
    if not 0 < energy <= 1:
        raise ValueError(f"energy: expected a float in (0, 1]. Received: {energy}")
    share_ratio = _check_number("share_ratio", share_ratio)
    if not 0 <= share_ratio <= 1:
        raise ValueError(f"share_ratio: expected a float in [0, 1]. Received: {share_ratio}")
    if shared not in _CHOICES:
        raise ValueError(f"shared: expected one of {list(_CHOICES)}. Received: {shared!r}")
    try:
        seed = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed: expected an integer. Received: {seed!r}") from None
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected an integer from 0 to 2**32 - 1. Received: {seed}")
    images = _check_images(images)
    mean, components, spectrum = _principal_components(images)
    kept = _CHOICES[shared](spectrum, energy, share_ratio, seed)
    return PCAModalities(
        image_shape=images.shape[1:],
        mean=mean,
        components=components,
        spectrum=spectrum,
        vectors=dict(zip(MODALITIES, map(np.sort, kept), strict=True)),
    )


def _check_number(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number. Received: {value!r}")
    return float(value)


def _check_images(images, image_shape=None):
    images = np.asarray(images)
    if images.dtype.kind not in "iuf":
        raise TypeError(f"images: expected integers or floats. Received: dtype {images.dtype}")
    if image_shape is not None and images.shape[1:] != image_shape:
        raise ValueError(
            "images: expected the shape of the images the views were fitted on, "
            f"(images, {', '.join(map(str, image_shape))}). Received shape: {images.shape}"
        )
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise ValueError(
            "images: expected the shape (images, height, width) or "
            f"(images, height, width, channels). Received shape: {images.shape}"
        )
    return images


def _chunks(images):
    """Yields (start, float64 rows), so that no float64 copy of all images is ever held."""
    for start in range(0, len(images), _ROWS):
        chunk = images[start : start + _ROWS]
        rows = chunk.reshape(len(chunk), -1).astype("float64")
        if images.dtype.kind in "iu":
            if rows.min(initial=0) < 0 or rows.max(initial=0) > 255:
                raise ValueError(
                    "images: expected integers from 0 to 255. "
                    f"Received: {rows.min():.0f} to {rows.max():.0f}"
                )
            rows /= 255
        elif not np.isfinite(rows).all():
            raise ValueError("images: expected finite numbers. Received: NaN or infinity")
        yield start, rows


def _principal_components(images):
    """Mean, singular vectors (rows) and energies of the centred images, largest first."""
    if len(images) < 2:
        raise ValueError(f"images: expected at least two images. Received: {len(images)}")
    if (images == images[0]).all():
        raise ValueError("images: expected some that differ. Received: images all alike")
    mean = sum(rows.sum(axis=0) for _, rows in _chunks(images)) / len(images)
    scatter = np.zeros((mean.size, mean.size))
    for _, rows in _chunks(images):
        rows -= mean
        scatter += rows.T @ rows
    values, vectors = np.linalg.eigh(scatter)
    values, vectors = values[::-1], vectors[:, ::-1]
    # What is left below is rounding. Its vectors are any basis of the rest, another one on
    # every platform, and would show in test images wherever a pixel is new to them.
    rank = int((values > values[0] * mean.size * np.finfo("float64").eps).sum())
    return mean, np.ascontiguousarray(vectors[:, :rank].T), values[:rank] / values[:rank].sum()
