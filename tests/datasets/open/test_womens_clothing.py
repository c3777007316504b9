"""Clothing reviews: both forms of the file, text and table, labels that are not given away."""

import csv
import gzip
import hashlib
import io

import numpy as np
import pytest

from keras_fusion.datasets import womens_clothing

HEADER = [
    "Clothing ID",
    "Age",
    "Title",
    "Review Text",
    "Rating",
    "Recommended IND",
    "Positive Feedback Count",
    "Division Name",
    "Department Name",
    "Class Name",
]
DIVISIONS, DEPARTMENTS = womens_clothing.DIVISIONS, womens_clothing.DEPARTMENTS


def small_rows():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        department = DEPARTMENTS[i % 6]
        title = "" if i % 7 == 0 else f"Title, {i}"
        text = f'Review {i}: "soft", and\r\n{department} \u2014 5\'8"'
        rating, feedback = int(rng.integers(1, 6)), int(rng.integers(0, 50))
        recommended = int(rating > 3)
        division = DIVISIONS[i % 3]
        row = [767 + i, 20 + i, title, text, rating, recommended, feedback, division, department]
        rows.append([*map(str, row), "Class"])
    return rows


def as_text(rows, header=HEADER):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    return file.getvalue()


def write(folder, text, monkeypatch):
    content = text.encode("utf-8")
    (folder / "reviews.csv.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(womens_clothing, "_SHA256", hashlib.sha256(content).hexdigest())


@pytest.fixture
def small(tmp_path, monkeypatch):
    write(tmp_path, as_text(small_rows()), monkeypatch)
    return tmp_path


def number_of(text):
    return int(text.split(":")[0].removeprefix("Review "))


def test_parts_text_and_table(small, monkeypatch):
    rows = small_rows()
    monkeypatch.setenv("KERAS_FUSION_DATA", str(small))
    data = womens_clothing.load_data(standardize=False)
    seen = []
    for part, count in (("train", 42), ("validation", 6), ("test", 12)):
        x, y = data[part]
        assert x["text"].shape == y.shape == (count,) and y.dtype == "int32"
        assert x["text"].dtype.kind == "U" and x["table"].dtype == "float32"
        np.testing.assert_array_equal(np.bincount(y), np.full(6, count // 6))
        for text, table, label in zip(x["text"], x["table"], y, strict=True):
            row = rows[number_of(text)]
            assert text == row[3] and DEPARTMENTS[label] == row[8]
            one_hot = [float(name == row[7]) for name in DIVISIONS]
            assert table.tolist() == [*(float(row[i]) for i in (1, 6, 4, 5)), *one_hot]
            seen.append(number_of(text))
    assert sorted(seen) == list(range(60))


@pytest.mark.parametrize("label", ["department", "recommended", "rating"])
def test_labels(small, label):
    rows = small_rows()
    data = womens_clothing.load_data(small, label=label, standardize=False)
    columns = womens_clothing.COLUMNS[label]
    other = womens_clothing.load_data(small)
    for part, (x, y) in data.items():
        np.testing.assert_array_equal(x["text"], other[part][0]["text"])  # one split for all
        assert x["table"].shape[1] == len(columns)
        for text, table, received in zip(x["text"], x["table"], y, strict=True):
            row = rows[number_of(text)]
            rating = int(row[4])
            stars = 0 if rating <= 3 else rating - 3
            known = {"department": DEPARTMENTS.index(row[8]), "rating": stars}
            assert received == {**known, "recommended": int(row[5])}[label]
            values = dict(zip(columns, table, strict=True))
            if label != "department":
                assert values[f"department {row[8]}"] == 1
                assert sum(values[f"department {name}"] for name in DEPARTMENTS) == 1
    if label != "department":
        assert not {"rating", "recommended"} & set(columns)
    assert (label == "department") == (not any(c.startswith("department") for c in columns))


def test_standardized_on_train_only(small):
    raw = womens_clothing.load_data(small, standardize=False)
    data = womens_clothing.load_data(small)
    columns = {name: raw["train"][0]["table"][:, i] for i, name in enumerate(("age", "feedback"))}
    for part in data:
        for i, change in enumerate((lambda a: a, np.log1p)):
            reference = change(columns[("age", "feedback")[i]].astype("float64"))
            values = change(raw[part][0]["table"][:, i])
            expected = (values - reference.mean()) / reference.std()
            np.testing.assert_allclose(data[part][0]["table"][:, i], expected, atol=1e-5)
        one_hot = slice(4, None)
        np.testing.assert_array_equal(
            data[part][0]["table"][:, one_hot], raw[part][0]["table"][:, one_hot]
        )


def test_kaggles_own_file_is_filtered(small, tmp_path):
    rows = small_rows()
    repeated, no_text, no_department = rows[4].copy(), rows[5].copy(), rows[6].copy()
    no_text[3], no_department[3], no_department[7:] = "", "Other", ["", "", ""]
    mixed = [no_text, *rows[:9], no_department, *rows[9:], repeated]
    folder = tmp_path / "kaggle"
    folder.mkdir()
    text = as_text([[str(i), *row] for i, row in enumerate(mixed)], ["", *HEADER])
    path = folder / "Womens Clothing E-Commerce Reviews.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8"))
    kaggle, ours = womens_clothing.load_data(folder), womens_clothing.load_data(small)
    for part, (x, y) in ours.items():
        np.testing.assert_array_equal(kaggle[part][0]["text"], x["text"])
        np.testing.assert_array_equal(kaggle[part][0]["table"], x["table"])
        np.testing.assert_array_equal(kaggle[part][1], y)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (4, "6", "`Rating` from 1 to 5 in row 5. Received: '6'"),
        (5, "yes", "`Recommended IND` from 0 to 1 in row 5. Received: 'yes'"),
        (1, "33.5", "`Age` from 1 to 150 in row 5"),
        (1, "", "`Age` from 1 to 150 in row 5. Received: ''"),
        (6, "-1", "`Positive Feedback Count` from 0"),
        (6, "\u0663", "`Positive Feedback Count` from 0"),
        (7, "Petite", "`Division Name` in row 5 to be one of"),
        (8, "Shoes", "`Department Name` in row 5 to be one of"),
    ],
)
def test_another_value_is_refused(tmp_path, monkeypatch, column, value, message):
    rows = small_rows()
    rows[3][column] = value
    write(tmp_path, as_text(rows), monkeypatch)
    with pytest.raises(ValueError, match=f"reviews.csv.gz: expected {message}"):
        womens_clothing.load_data(tmp_path)


def test_broken_files(small, monkeypatch):
    path = small / "reviews.csv.gz"
    whole = path.read_bytes()
    for broken in (whole[:-3], whole[:300], b"Age,Title\n", gzip.compress(b"\xff\xfe")):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="reviews.csv.gz is not a complete csv file"):
            womens_clothing.load_data(small)
    path.write_bytes(gzip.compress(as_text(small_rows()[1:]).encode("utf-8")))
    with pytest.raises(ValueError, match="reviews.csv.gz: expected a text with SHA-256"):
        womens_clothing.load_data(small)
    text = as_text(small_rows())
    for broken, message in (
        (text[:-8], "expected 10 fields in row 61. Received: "),
        (text[: text.rindex("Review 59") + 5], "is not a complete table"),
        (text.replace("Rating", "Stars"), "Received: a file without .'Rating'"),
        ("", "Received: a file without "),
    ):
        write(small, broken, monkeypatch)
        with pytest.raises(ValueError, match=f"reviews.csv.gz.*{message}"):
            womens_clothing.load_data(small)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="womens_clothing: .*Missing: reviews.csv.gz"):
        womens_clothing.load_data(small)


def test_bad_label(small):
    with pytest.raises(ValueError, match="label: expected one of .*Received: 'class'"):
        womens_clothing.load_data(small, label="class")


@pytest.mark.data
def test_real_reviews(data_dir):
    data = womens_clothing.load_data(data_dir)
    assert [len(y) for _, y in data.values()] == [15835, 2262, 4524]
    x, y = data["train"]
    np.testing.assert_array_equal(np.bincount(y), [2563, 4301, 1155, 701, 7032, 83])
    says_dress = np.char.find(np.char.lower(x["text"]), "dress") >= 0
    assert (y[says_dress] == 1).mean() > 0.5 > 0.1 > (y[~says_dress] == 1).mean()
    assert np.isfinite(x["table"]).all()
