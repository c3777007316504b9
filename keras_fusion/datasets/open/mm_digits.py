"""Multimodal digits: scikit-learn's small handwritten digits seen twice. Needs no download.

Origin: the test part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits",
UCI Machine Learning Repository, 1998 (https://doi.org/10.24432/C50P49), 13 writers, as shipped
with scikit-learn. Licence: Creative Commons Attribution 4.0,
https://creativecommons.org/licenses/by/4.0/

The two views follow Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
ECCV Workshops 2018, section 3.1, who make them from MNIST.
"""

from keras_fusion.datasets.pca import pca_modalities

_VALIDATION, _TEST = 200, 400


def load_data(energy=0.5, share_ratio=0.5, seed=0, shared="random"):
    """Loads 1,797 digits of 8x8 pixels as two modalities, `"image_a"` and `"image_b"`.

    Use it to try a model in seconds or without a network; `mm_mnist` is its grown-up form, and
    `keras_fusion.datasets.pca_modalities` explains the views. The views are fitted on the
    training digits only. Needs scikit-learn.

    Args:
        energy: Float in `(0, 1]`, energy of each view. Defaults to `0.5`.
        share_ratio: Float in `[0, 1]`, part of a view's singular vectors that the other view
            has too. Defaults to `0.5`.
        seed: Integer, seed of the draw of the vectors; the split does not depend on it.
            Defaults to `0`.
        shared: `"tail"`, `"random"` or `"leading"`, which vectors the views share. Defaults to
            `"random"`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 1,197, 200 and 400
        digits. `x` is a dict of `"image_a"` and `"image_b"`, float32 arrays
        `(digits, 8, 8, 1)` with pixels around `[0, 1]`, not clipped. `y` is an int32 array
        `(digits,)` from 0 to 9. The set has no split of its own: scikit-learn's
        `train_test_split`, stratified by digit and always with the same seed, takes the test
        digits and then the validation digits at random, so writers are in all three parts.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If an argument is out of its range.
        TypeError: If an argument has a wrong type.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.mm_digits.load_data()
    x, y = data["train"]
    print(x["image_a"].shape, y.shape)  # (1197, 8, 8, 1) (1197,)
    ```

    Reference:
        Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
        ECCV Workshops 2018, section 3.1.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError(
            "mm_digits needs scikit-learn: pip install keras_fusion[examples]"
        ) from error
    digits = load_digits()
    images, labels = digits.images / 16, digits.target.astype("int32")
    images, x_test, labels, y_test = train_test_split(
        images, labels, test_size=_TEST, random_state=0, stratify=labels
    )
    x_train, x_validation, y_train, y_validation = train_test_split(
        images, labels, test_size=_VALIDATION, random_state=0, stratify=labels
    )
    views = pca_modalities(x_train, energy, share_ratio, seed, shared)
    return {
        "train": (views.transform(x_train), y_train),
        "validation": (views.transform(x_validation), y_validation),
        "test": (views.transform(x_test), y_test),
    }
