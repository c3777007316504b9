"""Multimodal digits from scikit-learn: split and views."""

import sys

import numpy as np
import pytest

from keras_fusion.datasets import mm_digits, pca_modalities


@pytest.fixture
def digits():
    return pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()


def test_shapes_and_stratified_split(digits):
    data = mm_digits.load_data()
    assert list(data) == ["train", "validation", "test"]
    for (x, y), count in zip(data.values(), (1197, 200, 400), strict=True):
        assert list(x) == ["image_a", "image_b"]
        for view in x.values():
            assert view.shape == (count, 8, 8, 1)
            assert view.dtype == "float32"
            assert -0.7 < view.min() < 0
            assert 0.9 < view.max() < 1.7
        assert y.shape == (count,)
        assert y.dtype == "int32"
        share = np.bincount(y, minlength=10) / count
        np.testing.assert_allclose(share, np.bincount(digits.target) / 1797, atol=0.004)


def test_every_digit_is_in_one_part_with_its_label(digits):
    # With all the energy the views are the digits themselves (but for pixels never inked
    # in training), so each can be found again.
    data = mm_digits.load_data(energy=1, share_ratio=1)
    known = {
        image.round().tobytes(): label
        for image, label in zip(digits.images.astype("float32"), digits.target, strict=True)
    }
    assert len(known) == 1797
    seen = []
    for part in ("train", "validation", "test"):
        x, y = data[part]
        found = [(image[..., 0] * 16).round().astype("float32") + 0 for image in x["image_a"]]
        codes = [image.tobytes() for image in found if image.tobytes() in known]
        assert len(codes) >= 0.98 * len(y)
        labels = [label for image, label in zip(found, y, strict=True) if image.tobytes() in known]
        assert [known[code] for code in codes] == labels
        seen += codes
    assert len(set(seen)) == len(seen)


def test_views_are_fitted_on_train_only_and_the_split_is_fixed(digits):
    whole = mm_digits.load_data(energy=1, share_ratio=1)
    given = {"energy": 0.3, "share_ratio": 0.2, "seed": 5, "shared": "random"}
    data = mm_digits.load_data(**given)
    train = (whole["train"][0]["image_a"] * 16).round() / 16  # the digits themselves, exactly
    fitted = pca_modalities(train, **given)
    for part, (x, y) in data.items():
        np.testing.assert_array_equal(y, whole[part][1])
        for name, view in fitted.transform(whole[part][0]["image_a"]).items():
            np.testing.assert_allclose(x[name], view, atol=1e-5)
    assert mm_digits.load_data(shared="leading", share_ratio=1)["test"][0].keys() == x.keys()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install keras_fusion\[examples\]"):
        mm_digits.load_data()
