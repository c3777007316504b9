"""From a table to a fused model, in three lines: paths of pictures, texts, numbers, categories.

    python examples/from_a_table.py

Data: made here, from scikit-learn's digits, in a temporary folder: a table of 1,797 things for
sale, of ten kinds. A row has the path of a noisy PNG of the kind's digit; an ad, whose words fit
two kinds, and sometimes two others; a weight and a shop, which say a little. Some paths, ads,
weights and shops are missing. scikit-learn gets the same table as is usual there: pixels, TF-IDF
and one-hot columns side by side, into a logistic regression and into gradient boosting. Three
seeds, each with a split of its own. Needs pandas and Pillow (the extras `examples` and `data`);
takes 77 seconds of one CPU core.

Expected, accuracy on 360 test rows (TensorFlow 2.21, Keras 3.15, scikit-learn 1.9.1):

    model                                 mean  deviation of 3 seeds, %
    CentralNet                            88.3  2.0
    its head for photo                    83.8  3.0
    its head for ad                       40.0  2.0
    its head for facts                    23.1  1.3
    scikit-learn, logistic regression     80.5  2.5
    scikit-learn, gradient boosting       84.8  1.8

The fused prediction is the best; of the two of scikit-learn the trees come near it.
"""

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import PIL.Image
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import keras_fusion as kf

WORDS = (
    ("lamp", "shade"),
    ("chair", "stool"),
    ("coin", "medal"),
    ("clock", "hands"),
    ("bell", "rope"),
)
ADS = ("For sale: {}, hardly used", "{}, made of brass, fits most doors", "old {} from the attic")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="of the table, for a quick look")
    args = parser.parse_args()
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        table = write_table(Path(folder), args.rows)
        print(table.drop(columns="path").head(4).to_string(), end="\n\n")
        for seed in range(args.seeds):
            # Validation rows are for looks only: nothing is chosen by them.
            train, test = train_test_split(
                table.index, test_size=0.2, stratify=table["kind"], random_state=seed
            )
            table["part"] = "train"
            table.loc[train[::8], "part"] = "validation"
            table.loc[test, "part"] = "test"
            # What is chosen is the same for every seed: said once.
            with contextlib.redirect_stdout(io.StringIO()) if seed else contextlib.nullcontext():
                found = fused(table, seed, args.epochs)
            for name, score in {**found, **by_scikit_learn(table)}.items():
                scores.setdefault(name, []).append(100 * score)
    print(f"\n{'model':<36}{'mean':>6}  deviation of {args.seeds} seeds, %")
    for name, found in scores.items():
        print(f"{name:<36}{np.mean(found):6.1f}  {np.std(found):.1f}")


def fused(table, seed, epochs):
    """Accuracy on the test rows of the fused prediction, and of its unimodal heads."""
    keras.utils.set_random_seed(seed)
    columns = {"photo": "path", "ad": "text", "facts": ["weight", "shop"]}

    data = kf.datasets.from_dataframe(table, columns, label="kind", split="part")
    networks = kf.backbones.auto(data)
    model = kf.build_centralnet(networks, missing_modalities=True)  # some photos are missing

    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*data["train"], validation_data=data["validation"], epochs=epochs, verbose=0)
    result = model.evaluate(*data["test"], return_dict=True, verbose=0)
    heads = {"CentralNet": "central", **{f"its head for {name}": name for name in columns}}
    return {label: result[f"{name}_accuracy"] for label, name in heads.items()}


def by_scikit_learn(table):
    """Accuracy of two classifiers on all columns side by side."""
    table = table.fillna({"text": ""})
    train, test = table[table["part"] == "train"], table[table["part"] == "test"]
    classifiers = {
        "scikit-learn, logistic regression": LogisticRegression(max_iter=1000),
        "scikit-learn, gradient boosting": HistGradientBoostingClassifier(random_state=0),
    }
    scores = {}
    for name, classifier in classifiers.items():
        columns = make_column_transformer(
            (make_pipeline(FunctionTransformer(pixels), StandardScaler()), ["path"]),
            (TfidfVectorizer(), "text"),
            (make_pipeline(SimpleImputer(), StandardScaler()), ["weight"]),
            (OneHotEncoder(handle_unknown="ignore"), ["shop"]),
            sparse_threshold=0,
        )
        whole = make_pipeline(columns, classifier).fit(train, train["kind"])
        scores[name] = whole.score(test, test["kind"])
    return scores


def pixels(paths):
    """The pictures as rows of pixels, zeros where there is none."""
    missing = np.zeros((8, 8), "uint8")
    paths = paths["path"]
    found = [np.asarray(PIL.Image.open(p)) if isinstance(p, str) else missing for p in paths]
    return np.stack(found).reshape(len(found), -1)


def write_table(folder, rows=None):
    """The DataFrame; its pictures are in the folder."""
    digits, rng = load_digits(), np.random.default_rng(0)
    lines = []
    for i, digit in enumerate(digits.target[:rows]):
        path = folder / f"{i:04}.png"
        noisy = np.clip(16 * digits.images[i] + rng.normal(0, 90, (8, 8)), 0, 255)
        PIL.Image.fromarray(noisy.astype("uint8")).save(path)
        word = rng.choice(WORDS[digit // 2 if rng.random() < 0.85 else rng.integers(5)])
        is_large = (digit > 4) == (rng.random() < 0.8)
        line = {
            "path": str(path),
            "text": f"{rng.choice(ADS).format(word)}, {rng.integers(5, 99)} euros",
            "weight": 10 + 5 * (digit % 2) + rng.normal(0, 3),
            "shop": rng.choice(["Rome", "Oslo"] if is_large else ["Bern"]),
        }
        lines.append({k: None if rng.random() < 0.1 else v for k, v in line.items()})
    kinds = [f"kind {digit}" for digit in digits.target[:rows]]
    return pd.DataFrame(lines).assign(kind=kinds)


if __name__ == "__main__":
    main()
