"""TCGA breast: parts, the absent protein view and its mask, what is refused."""

import numpy as np
import pytest

from keras_fusion.datasets import tcga_breast
from keras_fusion.datasets._io import files


def small_arrays():
    rng = np.random.default_rng(0)
    rows = {"train": 30, "test": 9}
    arrays = {}
    for key in tcga_breast._SHA256:
        part, _, modality = key.partition("_")
        if modality == "y":
            arrays[key] = np.repeat(np.arange(3), rows[part] // 3)
        else:
            shape = (rows[part], tcga_breast.FEATURES[modality])
            arrays[key] = rng.normal(5, 2, shape).astype("float32")
    return arrays


@pytest.fixture(autouse=True)
def small(monkeypatch):
    hashes = {key: files.array_sha256(array) for key, array in small_arrays().items()}
    monkeypatch.setattr(tcga_breast, "_SHA256", hashes)
    monkeypatch.setattr(tcga_breast, "_ROWS", {"train": 30, "test": 9})
    monkeypatch.setattr(tcga_breast, "_COUNTS", {"train": None, "validation": 6})


def write(folder, **changes):
    arrays = {**small_arrays(), "classes": np.array(tcga_breast.CLASSES), **changes}
    np.savez(folder / "tcga_breast.npz", **{k: a for k, a in arrays.items() if a is not None})


def test_parts_and_mask(tmp_path, monkeypatch):
    inner = tmp_path / "tcga_breast"
    inner.mkdir()
    write(inner)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data = tcga_breast.load_data(standardize=False)
    arrays = small_arrays()
    rows = {row.tobytes(): i for i, row in enumerate(arrays["train_mrna"])}
    kept = {part: [rows[r.tobytes()] for r in data[part][0]["mrna"]] for part in list(data)[:2]}
    assert sorted(kept["train"] + kept["validation"]) == list(range(30))
    for part, count in (("train", 24), ("validation", 6)):
        x, y = data[part]
        assert len(y) == count and y.dtype == "int32"
        np.testing.assert_array_equal(np.bincount(y), np.full(3, count // 3))
        np.testing.assert_array_equal(y, arrays["train_y"][kept[part]])
        np.testing.assert_array_equal(x["protein"], arrays["train_protein"][kept[part]])
        np.testing.assert_array_equal(x["present"], np.ones((count, 3)))
    x, y = data["test"]
    np.testing.assert_array_equal(y, arrays["test_y"])
    np.testing.assert_array_equal(x["mirna"], arrays["test_mirna"])
    assert x["protein"].shape == (9, 142) and np.isnan(x["protein"]).all()
    np.testing.assert_array_equal(x["present"], np.tile([1, 1, 0], (9, 1)))
    assert x["present"].dtype == x["protein"].dtype == "float32"
    modalities = [name for name in x if name != "present"]
    assert modalities == sorted(modalities)  # the order of the columns of `present`


def test_standardized_on_train_only(tmp_path):
    write(tmp_path)
    raw, data = tcga_breast.load_data(tmp_path, standardize=False), tcga_breast.load_data(tmp_path)
    for modality in ("mirna", "mrna", "protein"):
        reference = raw["train"][0][modality].astype("float64")
        for part in data:
            expected = (raw[part][0][modality] - reference.mean(0)) / reference.std(0)
            np.testing.assert_allclose(data[part][0][modality], expected, atol=1e-5)
    assert np.isnan(data["test"][0]["protein"]).all()
    assert np.isfinite(data["train"][0]["protein"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_mrna": np.zeros((9, 184), "float32")}, r"`test_mrna` of shape \(9, 200\)"),
        ({"train_protein": np.full((30, 142), np.inf)}, "finite `train_protein`"),
        ({"train_y": np.zeros(30, int)}, r"`train_y` with every class .* absent \[1, 2\]"),
        ({"test_y": None}, "must hold the arrays"),
        ({"test_mirna": np.zeros((9, 184), "float32")}, "`test_mirna` with SHA-256"),
    ],
)
def test_another_file_is_refused(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"tcga_breast.npz.*{message}"):
        tcga_breast.load_data(tmp_path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Missing: tcga_breast.npz.*info\('tcga_breast'\)"):
        tcga_breast.load_data(tmp_path)


@pytest.mark.data
def test_real_tumours(data_dir, monkeypatch):
    monkeypatch.undo()
    data = tcga_breast.load_data(data_dir)
    counts = [np.bincount(y).tolist() for _, y in data.values()]
    assert counts == [[36, 24, 60], [9, 6, 15], [21, 14, 35]]
    (x, y), (x_test, y_test) = data["train"], data["test"]
    for modality, accuracy in (("mirna", 0.8), ("mrna", 0.85)):
        means = np.stack([x[modality][y == label].mean(axis=0) for label in range(3)])
        distance = ((x_test[modality][:, None] - means) ** 2).sum(axis=-1)
        assert (distance.argmin(axis=1) == y_test).mean() > accuracy, modality
