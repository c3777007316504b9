"""The two views of an image: energy, overlap, reconstruction, what they are fitted on."""

import dataclasses

import numpy as np
import pytest

from keras_fusion.datasets import pca_modalities
from keras_fusion.datasets._io import singular_vectors
from keras_fusion.datasets.pca import PCAModalities

NAMES = ["image_a", "image_b"]


def natural_images(count=400, size=12, seed=0):
    """Float images whose energies fall like those of real ones, with a mean that is not 0."""
    rng = np.random.default_rng(seed)
    features = size * size
    turn, _ = np.linalg.qr(np.random.default_rng(99).normal(size=(features, features)))
    scales = np.arange(1, features + 1) ** -0.7
    flat = (rng.normal(size=(count, features)) * scales) @ turn + np.linspace(0, 1, features)
    return flat.reshape(count, size, size)


def views_by_svd(train, images, kept):
    """The equation, by NumPy's SVD of the centred images."""
    train, flat = train.reshape(len(train), -1), images.reshape(len(images), -1)
    mean = train.mean(axis=0)
    _, _, rows = np.linalg.svd(train - mean, full_matrices=False)
    chosen = rows[kept]
    return (mean + (flat - mean) @ chosen.T @ chosen).reshape(*images.shape, 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share_ratio", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("energy", [0.1, 0.25, 0.5])
def test_random_views_have_the_energy_and_the_share(energy, share_ratio, seed):
    images = natural_images()
    fitted = pca_modalities(images, energy, share_ratio, seed, shared="random")
    kept_a, kept_b = (fitted.vectors[name] for name in NAMES)
    count = round(energy * len(fitted.spectrum))
    if share_ratio == 0:
        count = min(count, len(fitted.spectrum) // 2)
    assert len(set(kept_a)) == len(set(kept_b)) == count
    assert len(set(kept_a) & set(kept_b)) == round(share_ratio * count)
    assert fitted.share_ratio == round(share_ratio * count) / count
    # The energy is measured on the views themselves: variance kept / variance given.
    variance = images.var(axis=0).sum()
    for name, view in fitted.transform(images).items():
        reached = view.var(axis=0).sum() / variance
        assert reached == pytest.approx(energy, abs=0.0015)
        assert fitted.energy[name] == pytest.approx(reached, abs=1e-4)


@pytest.mark.parametrize(("energy", "share_ratio"), [(0.8, 0.5), (0.9, 0.9), (0.6, 0.25)])
def test_large_energies_are_met_with_smaller_richer_sets(energy, share_ratio):
    fitted = pca_modalities(natural_images(), energy, share_ratio, seed=0, shared="random")
    assert fitted.share_ratio == pytest.approx(share_ratio, abs=0.01)
    for reached in fitted.energy.values():
        assert reached == pytest.approx(energy, abs=0.0011)


def test_share_ratio_0_is_disjoint_and_1_is_equal():
    images = natural_images()
    apart = pca_modalities(images, 0.5, 0.0, seed=3).vectors
    assert not set(apart["image_a"]) & set(apart["image_b"])
    same = pca_modalities(images, 0.5, 1.0, seed=3).transform(images)
    np.testing.assert_array_equal(same["image_a"], same["image_b"])


@pytest.mark.parametrize("shared", ["tail", "random", "leading"])
def test_views_follow_the_equation(shared):
    train, test = natural_images(), natural_images(count=50, seed=1)
    fitted = pca_modalities(train, 0.5, 0.5, seed=4, shared=shared)
    for images in (train, test):
        views = fitted.transform(images)
        assert list(views) == NAMES
        for name, view in views.items():
            assert view.dtype == "float32"
            expected = views_by_svd(train, images, fitted.vectors[name])
            np.testing.assert_allclose(view, expected, atol=1e-6)
            np.testing.assert_array_equal(view, fitted.reconstruct(images, name))


def test_signs_of_the_vectors_do_not_matter():
    images = natural_images()
    fitted = pca_modalities(images)
    flipped = dataclasses.replace(fitted, components=-fitted.components)
    for name, view in fitted.transform(images).items():
        np.testing.assert_array_equal(view, flipped.reconstruct(images, name))


def test_same_seed_same_views_and_other_seed_other_vectors():
    images = natural_images()
    first, again, other = (pca_modalities(images, seed=seed, shared="random") for seed in (7, 7, 8))
    for name in NAMES:
        np.testing.assert_array_equal(first.vectors[name], again.vectors[name])
        np.testing.assert_array_equal(
            first.reconstruct(images, name), again.reconstruct(images, name)
        )
        assert set(first.vectors[name]) != set(other.vectors[name])


def test_the_draw_of_a_seed_is_pinned():
    # A change here changes every published result on mm_mnist: never adapt the numbers.
    spectrum = np.arange(20, 0, -1) / 210
    kept_a, kept_b = singular_vectors.random_vectors(spectrum, 0.25, 0.5, seed=0)
    assert kept_a.tolist() == [5, 6, 8, 11, 18]
    assert kept_b.tolist() == [1, 7, 8, 14, 18]


def test_fitting_and_transforming_leave_the_rest_alone():
    train, test = natural_images(), natural_images(count=50, seed=1)
    given = train.copy()
    fitted = pca_modalities(train)
    before = fitted.components.copy(), fitted.mean.copy(), fitted.transform(train)
    fitted.transform(test * 10)
    np.testing.assert_array_equal(train, given)
    np.testing.assert_array_equal(fitted.components, before[0])
    np.testing.assert_array_equal(fitted.mean, before[1])
    for name in NAMES:
        np.testing.assert_array_equal(fitted.reconstruct(train, name), before[2][name])
    together = pca_modalities(np.concatenate([train, test.swapaxes(1, 2)]))
    assert not np.allclose(abs(together.components[0]), abs(fitted.components[0]), atol=1e-3)


def test_integers_are_scaled_to_one():
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6))
    views = pca_modalities(images.astype("uint8"))
    scaled = pca_modalities(images / 255)
    for name in NAMES:
        for dtype in ("uint8", "int64"):
            np.testing.assert_allclose(
                views.reconstruct(images.astype(dtype), name),
                scaled.reconstruct(images / 255, name),
                atol=1e-6,
            )


def test_all_the_energy_gives_the_images_back():
    images = natural_images(count=60, size=6)
    views = pca_modalities(images, energy=1, share_ratio=1).transform(images)
    np.testing.assert_allclose(views["image_a"][..., 0], images, atol=1e-6)


def test_chunks_do_not_show(monkeypatch):
    images = natural_images(count=50)
    whole = pca_modalities(images).transform(images)
    monkeypatch.setitem(pca_modalities.__globals__, "_ROWS", 7)
    for name, view in pca_modalities(images).transform(images).items():
        np.testing.assert_allclose(view, whole[name], atol=1e-6)


def test_pixels_that_never_change_in_training_stay_at_the_mean():
    train = natural_images(count=200, size=8)
    train[:, 0] = 0.25
    fitted = pca_modalities(train)
    assert len(fitted.spectrum) == 7 * 8
    test = train[:5].copy()
    test[:, 0] = 9.0
    for view in fitted.transform(test).values():
        np.testing.assert_allclose(view[:, 0], 0.25, atol=1e-6)


def test_channels_are_kept():
    images = np.random.default_rng(0).normal(size=(90, 4, 5, 3))
    fitted = pca_modalities(images)
    assert fitted.transform(images[:7])["image_b"].shape == (7, 4, 5, 3)
    assert fitted.transform(images[:0])["image_b"].shape == (0, 4, 5, 3)
    assert pca_modalities(images[..., 0]).transform(images[..., 0])["image_a"].shape[1:] == (
        4,
        5,
        1,
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("share_ratio", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("energy", [0.1, 0.25, 0.5])
def test_tail_shares_the_smallest_and_meets_energy_and_share(energy, share_ratio, seed):
    fitted = pca_modalities(natural_images(), energy, share_ratio, seed)
    kept_a, kept_b = (set(fitted.vectors[name].tolist()) for name in NAMES)
    assert len(kept_a) == len(kept_b)
    assert len(kept_a & kept_b) == round(share_ratio * len(kept_a))
    assert list(fitted.energy.values()) == pytest.approx([energy] * 2, abs=0.0015)
    # No vector of one view alone is smaller, but for a few that changed places.
    last = min(kept_a & kept_b, default=len(fitted.spectrum))
    assert sum(vector > last for vector in kept_a ^ kept_b) <= 0.15 * len(kept_a)


@pytest.mark.parametrize("seed", [0, 1])
def test_tail_loses_nothing_at_half_of_the_energy_and_thins_evenly_below(seed):
    spectrum = 0.97 ** np.arange(700)
    spectrum /= spectrum.sum()
    kept_a, kept_b = singular_vectors.tail_vectors(spectrum, 0.5, 0.5, seed)
    assert set(kept_a) & set(kept_b) == set(range(466, 699)) and len(kept_a) == len(kept_b) == 466
    assert set(kept_a) | set(kept_b) == set(range(699))
    used = np.union1d(*singular_vectors.tail_vectors(spectrum, 0.25, 0.5, seed))
    for part in (slice(0, 40), slice(20, 60), slice(100, 140), slice(500, 700)):
        held = spectrum[used[np.isin(used, np.arange(700)[part])]].sum()
        assert held == pytest.approx(0.5 * spectrum[part].sum(), rel=0.15)


def test_tail_is_drawn_where_the_smallest_are_too_small():
    images = natural_images()
    found = [
        pca_modalities(images, 0.8, 0.5, 3, shared).vectors["image_a"].tolist()
        for shared in ("tail", "random")
    ]
    assert found[0] == found[1]


def test_the_tail_of_a_seed_is_pinned():
    # As above: never adapt the numbers.
    spectrum = np.arange(20, 0, -1) / 210
    found = singular_vectors.tail_vectors(spectrum, 0.25, 0.5, seed=0)
    assert found[0].tolist() == [0, 8, 10, 14, 16, 19]
    assert found[1].tolist() == [2, 5, 12, 14, 16, 19]


def test_leading_takes_the_fewest_that_reach_the_energy():
    fitted = pca_modalities(natural_images(), 0.5, share_ratio=1, shared="leading")
    count = int(np.searchsorted(np.cumsum(fitted.spectrum), 0.5 - 0.001)) + 1
    for kept in fitted.vectors.values():
        assert kept.tolist() == list(range(count))


def test_leading_shares_the_first_and_deals_the_next():
    fitted = pca_modalities(natural_images(), 0.5, share_ratio=0.5, shared="leading")
    kept_a, kept_b = (set(kept.tolist()) for kept in fitted.vectors.values())
    shared = kept_a & kept_b
    assert shared == set(range(round(0.5 * len(kept_a))))
    assert kept_a | kept_b == set(range(2 * len(kept_a) - len(shared)))
    assert len(kept_a) == len(kept_b)
    assert min(fitted.energy.values()) >= 0.5 - 0.001


def test_leading_gives_the_larger_vector_to_the_poorer_view():
    spectrum = np.array([0.3, 0.2, 0.15, 0.1, 0.08, 0.07, 0.06, 0.04])
    kept_a, kept_b = singular_vectors.leading_vectors(spectrum, 0.48, 0.0)
    assert sorted(kept_a) == [0, 3, 5, 7]
    assert sorted(kept_b) == [1, 2, 4, 6]


@pytest.mark.parametrize("shared", ["tail", "random", "leading"])
@pytest.mark.parametrize(("energy", "share_ratio"), [(0.9, 0), (0.51, 0), (0.99, 0.1), (1, 0.5)])
def test_energy_and_share_ratio_that_cannot_be_had_together(energy, share_ratio, shared):
    with pytest.raises(ValueError, match=f"at most the energy .*Received: energy={energy}"):
        pca_modalities(natural_images(), energy, share_ratio, shared=shared)


@pytest.mark.parametrize("shared", ["tail", "random", "leading"])
def test_vectors_too_few_or_too_unequal_for_the_energy(shared):
    spectrum = np.array([0.6, 0.2, 0.1, 0.1])
    choose = {
        "tail": lambda *given: singular_vectors.tail_vectors(*given, seed=0),
        "random": lambda *given: singular_vectors.random_vectors(*given, seed=0),
        "leading": singular_vectors.leading_vectors,
    }[shared]
    with pytest.raises(
        ValueError, match="4 singular vectors of these images, the largest of energy 0.600"
    ):
        choose(spectrum, 0.5, 0.0)
    with pytest.raises(ValueError, match="at most the energy 0.0000"):
        choose(spectrum[:1], 0.0005, 0.0)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"energy": 0}, ValueError, r"energy: expected a float in \(0, 1\]. Received: 0"),
        ({"energy": 1.01}, ValueError, "Received: 1.01"),
        ({"energy": float("nan")}, ValueError, "Received: nan"),
        ({"energy": "half"}, TypeError, "energy: expected a number. Received: 'half'"),
        ({"energy": True}, TypeError, "energy: expected a number"),
        ({"share_ratio": -0.1}, ValueError, r"share_ratio: expected a float in \[0, 1\]. Received"),
        ({"share_ratio": 1.5}, ValueError, "Received: 1.5"),
        ({"share_ratio": None}, TypeError, "share_ratio: expected a number"),
        ({"seed": -1}, ValueError, "seed: expected an integer from 0 to .*Received: -1"),
        ({"seed": 2**32}, ValueError, "seed: expected an integer from 0"),
        ({"seed": 0.5}, TypeError, "seed: expected an integer. Received: 0.5"),
        ({"seed": None}, TypeError, "seed: expected an integer"),
        ({"shared": "best"}, ValueError, "'tail', 'random', 'leading'.*Received: 'best'"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        pca_modalities(natural_images(count=20, size=4), **arguments)


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        (np.zeros((5, 16)), ValueError, r"\(images, height, width\).*shape: \(5, 16\)"),
        (np.zeros((5, 0, 4)), ValueError, r"shape: \(5, 0, 4\)"),
        (np.zeros((1, 4, 4)), ValueError, "at least two images. Received: 1"),
        (np.full((9, 4, 4), 0.1), ValueError, "images all alike"),
        (np.full((5, 4, 4), "x"), TypeError, "integers or floats. Received: dtype <U1"),
        (np.arange(32).reshape(2, 4, 4) * 10, ValueError, "from 0 to 255. Received: 0 to 310"),
        (np.arange(-1, 31).reshape(2, 4, 4), ValueError, "Received: -1 to 30"),
        (np.full((5, 4, 4), np.nan), ValueError, "finite numbers. Received: NaN or infinity"),
    ],
)
def test_wrong_training_images(images, error, match):
    with pytest.raises(error, match=match):
        pca_modalities(images)


def test_wrong_images_to_transform():
    fitted = pca_modalities(natural_images(count=50, size=6))
    assert isinstance(fitted, PCAModalities)
    with pytest.raises(ValueError, match=r"\(images, 6, 6\). Received shape: \(2, 6, 7\)"):
        fitted.transform(np.zeros((2, 6, 7)))
    with pytest.raises(ValueError, match="finite"):
        fitted.transform(np.full((2, 6, 6), np.inf))
    with pytest.raises(ValueError, match="name: expected one of .*Received: 'image_c'"):
        fitted.reconstruct(np.zeros((2, 6, 6)), "image_c")


def test_every_vector_can_be_used():
    spectrum = np.full(33, 1 / 33)  # 33 / (2 - 0.9) is 29.999... in floating point
    kept_a, kept_b = singular_vectors.random_vectors(spectrum, 30 / 33, 0.9, seed=0)
    assert len(kept_a) == len(kept_b) == 30
    assert len(set(kept_a) & set(kept_b)) == 27
