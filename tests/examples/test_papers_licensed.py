"""The papers' tables on data that need a licence, run on small files in the readers' formats."""

import importlib
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.tiny import without_weights
from helpers.tiny_files import (
    COUNTS,
    PARTS,
    write_clips,
    write_faces,
    write_features,
    write_movies,
    write_objects,
)

import keras_fusion as kf
from keras_fusion.datasets import afew, montalbano, washington_rgbd

pytest.importorskip("scipy")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the commands call what is tested on every backend elsewhere",
)
PAPERS = Path(__file__).parents[2] / "examples" / "papers"
CENTRAL = ("Weighted mean", "Concat", "Concat + Multi-Task", "Moddrop", "Gated Multimodal Unit",
           "CentralNet")  # fmt: skip
MODALITY = {"Left": "left_hand", "Audio": "audio", "Right": "right_hand", "Mocap": "mocap",
            "Text (alone)": "text", "Image (alone)": "image"}  # fmt: skip
LEVELS = ("Early", "Late (concatenated scores)", "Late (weighted mean)", "ModDrop", "GMU",
          "CentralNet")  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small files of all data sets but Washington's."""
    pytest.importorskip("PIL.Image", reason="needs Pillow")
    folder = tmp_path_factory.mktemp("data")
    for name in ("montalbano", "afew", "audioset", "mmimdb"):
        (folder / name).mkdir()
    for module in (montalbano, afew):
        inner = folder / module.__name__.split(".")[-1]
        write_features(inner, module, **telling(module))
    write_clips(folder / "audioset")
    genres = np.random.default_rng(1).integers(0, 2, (sum(COUNTS.values()), 23), "int32")
    genres[:, 0] = 1
    write_movies(folder / "mmimdb", genres=genres)
    write_faces(folder, [f"F{number:04}" for number in range(1, 11)])
    return folder


def telling(module):
    """Features that are large where the label says, of one modality only."""
    key = "mocap" if module is montalbano else "video"
    labels = np.tile(np.arange(module.NUM_CLASSES), 2 if module is montalbano else 40)
    changes = {f"{part}_labels": labels for part in PARTS}
    for name, width in module.FEATURES.items():
        for part in PARTS:
            values = np.random.default_rng(len(part)).normal(size=(len(labels), width))
            if name == key:
                # Both papers score the validation part; the test part would tell lies.
                told = np.roll(labels, 1) if part == "test" else labels
                values[np.arange(len(labels)), told] += 20
            changes[f"{part}_{name}"] = values.astype("float32")
    return changes


@pytest.fixture
def command(monkeypatch, tmp_path):
    """A function that runs a command of examples/papers and returns the runs of its table."""
    monkeypatch.syspath_prepend(str(PAPERS))

    def run(name, *arguments, data=None):
        line = [f"{name}.py", *arguments, "--results", tmp_path / "runs"]
        line += ["--output", tmp_path / "results"]
        line += [] if data is None else ["--data-dir", data]
        monkeypatch.setattr(sys, "argv", [str(word) for word in line])
        importlib.import_module(name).main()
        (path,) = (tmp_path / "results").glob("*.jsonl")
        return kf.evaluation.read_results(path)

    return run


def module(monkeypatch, name):
    monkeypatch.syspath_prepend(str(PAPERS))
    return importlib.import_module(name)


@pytest.mark.slow
def test_montalbano(command, files, capsys, monkeypatch):
    names = ("--rows", "Left", "Mocap")
    lines = command("centralnet_table5", "--quick", "--epochs", 20, *names, data=files)
    found = {line["method"]: line["scores"]["macro_accuracy"] for line in lines}
    # Only the skeleton's features tell the gesture; one of 21 is 4.8 %.
    assert found["Mocap"] > 80 and found["Left"] < 30
    printed = capsys.readouterr().out
    assert "quick: epochs 20 instead of 100, seeds 1 instead of 64" in printed
    assert "88.0 ± 0.3" in printed
    # What is there is not trained again, and a row that is missing is.
    monkeypatch.setattr(sys.modules["centralnet_table5"], "fitted", None)
    assert command("centralnet_table5", "--quick", "--epochs", 20, *names, data=files) == lines
    with pytest.raises(TypeError, match="NoneType"):
        command("centralnet_table5", "--quick", "--epochs", 20, "--rows", "Concat", data=files)


@pytest.mark.slow
def test_mm_imdb(command, files, capsys, monkeypatch):
    monkeypatch.setattr(module(monkeypatch, "centralnet_table7"), "HIDDEN", (16, 8))
    names = ("Text (alone)", "GMU, its authors' protocol")
    lines = command("centralnet_table7", "--quick", "--rows", *names, data=files)
    assert [line["method"] for line in lines] == list(names)
    for line in lines:
        arguments, scores = line["arguments"], line["scores"]
        assert arguments["samples"] == 2000 and arguments["patience"] == 20
        assert 0 <= scores["epoch"] < 3 and line["data_sha256"]
        scores = [scores[f"f1_{average}"] for average in ("micro", "macro", "weighted", "samples")]
        assert all(0 < score < 1 for score in scores) and len(set(scores)) == 4
    assert "0.602" in capsys.readouterr().out


def test_mm_imdb_is_scored_on_the_test_part_by_the_best_epoch(files, tmp_path, monkeypatch):
    """The row's scores are those of the weights that the validation part chose."""
    table = module(monkeypatch, "centralnet_table7")
    monkeypatch.setattr(table, "HIDDEN", (16, 8))
    args = args_of(samples=4, patience=1, epochs=3, data_dir=files)
    data = table.load(args)
    assert [len(y) for _, y in data.values()] == [4, COUNTS["dev"], COUNTS["test"]]
    assert data["train"][0]["image"].shape == (4, 4096)
    seen, fit = {}, kf.training.fit_replicas

    def spy(build, x, y, seeds, *rest, early_stopping, **arguments):
        seen.update(rest=rest, stopping=early_stopping)
        replicas = fit(build, x, y, seeds, *rest, early_stopping=early_stopping, **arguments)
        seen["replicas"] = replicas
        return replicas

    monkeypatch.setattr(kf.training, "fit_replicas", spy)
    row = table.row("x", {}, lambda: kf.build("concat", table.networks()))
    (found,) = row.run(row.part(data, 0), [3], args, 0, tmp_path)
    replicas, (epochs, size, validation) = seen["replicas"], seen["rest"]
    assert (epochs, size) == (3, 128) and validation is data["validation"]
    assert seen["stopping"].monitor == "val_central_f1_macro" and seen["stopping"].mode == "max"
    assert seen["stopping"].patience == 1 and seen["stopping"].restore_best_weights
    model = replicas.replica(0)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(0.01)
    assert model.loss["central"].positive_weight == 2.0
    expected = kf.evaluation.f1_scores(data["test"][1], model.predict(data["test"][0], verbose=0)[
        "central"])  # fmt: skip
    for average, score in expected.items():
        assert found[f"f1_{average}"] == pytest.approx(score)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("afew", ("Video (best modality)", "CentralNet")),
        ("audioset", ("CentralNet",)),
        ("mm_imdb", ("Early",)),
    ],
)
def test_multilevel(command, files, capsys, monkeypatch, data, names):
    monkeypatch.setattr(module(monkeypatch, "centralnet_table7"), "HIDDEN", (16, 8))
    epochs = 15 if data == "afew" else 1
    options = ("--data", data, "--quick", "--epochs", epochs, "--rows", *names)
    lines = command("multilevel_table1", *options, data=files)
    assert [line["method"] for line in lines] == list(names)
    assert {line["arguments"]["data"] for line in lines} == {data}
    if data == "afew":
        assert lines[0]["scores"]["accuracy"] > 80 and lines[1]["scores"]["accuracy"] > 50
    assert f"Table 1: {data} (quick: epochs {epochs} instead of " in capsys.readouterr().out


@pytest.mark.slow
def test_modality_gate(command, files, capsys, monkeypatch):
    table = module(monkeypatch, "modality_gate_tables")
    small = {"VGG19": lambda shape, weights: kf.backbones.depth_cnn(shape, None, filters=(4, 4))}
    monkeypatch.setattr(table, "PRETRAINED", small)
    names = ("DepthMap-scratch", "NF: RGB-VGG19+DepthMap-scratch")
    options = ("--quick", "--epochs", 1, "--rows", *names)
    lines = command("modality_gate_tables", *options, data=files)
    assert [(line["method"], line["fold"]) for line in lines] == [
        (n, f) for n in names for f in (0, 1)
    ]
    # A tenth of 10 people x 6 expressions x 2 intensities.
    assert all(round(line["scores"]["accuracy"] * 12 / 100, 6).is_integer() for line in lines)
    printed = capsys.readouterr().out
    assert "84.72" in printed and "89.31" in printed and "Random weights" in printed
    (page,) = Path(printed.rpartition("Written: ")[2].strip()).parent.glob("*.md")
    assert "paired t: p" in page.read_text(encoding="utf-8")


def test_washington_folds(tmp_path, monkeypatch):
    pytest.importorskip("PIL.Image", reason="needs Pillow")
    tables = module(monkeypatch, "modality_gate_tables")
    monkeypatch.setattr(washington_rgbd, "NUM_CLASSES", 3)
    names = write_objects(tmp_path, {"apple": 2, "cap": 1, "pear": 1})

    def read(by, fold):
        """The names of the pictures in each part; the depths tell them."""
        args = args_of(size=8, by=by, data_dir=tmp_path, folds=[fold])
        data = tables.loader("washington_rgbd", 5, args)()(fold)
        assert data["train"][0]["rgb"].dtype == "uint8"
        values = {part: np.rint(1000 * x["depth"][:, 0, 0, 0]) for part, (x, _) in data.items()}
        return {part: [names[int(v) - 700] for v in of_part] for part, of_part in values.items()}

    tests = []
    for fold in range(5):
        found = read("frame", fold)
        assert list(found) == ["train", "test"] and len(found["train"]) == 16
        tests += found["test"]
    assert len(set(tests)) == 20
    for fold in range(5):
        things = {
            part: {n.rsplit("_", 2)[0] for n in of} for part, of in read("object", fold).items()
        }
        assert things["train"].isdisjoint(things["test"])


def test_annealing(monkeypatch):
    tables = module(monkeypatch, "modality_gate_tables")
    rates = [tables.annealed(epoch, 5) for epoch in range(5)]
    np.testing.assert_allclose(rates, [1e-3, 10**-3.5, 1e-4, 10**-4.5, 1e-5])
    assert tables.annealed(0, 1) == 1e-3


def test_a_killed_run_goes_on_after_its_last_epoch(tmp_path, monkeypatch):
    common = module(monkeypatch, "_licensed")
    x, y = {"a": np.ones((8, 2), "float32")}, np.arange(8) % 2
    rates, args = [], args_of(epochs=4, quick=True)

    def build():
        model = common.alone("a", kf.backbones.mlp(2, (3,), 2))
        model.compile(keras.optimizers.Adam(1.0), "sparse_categorical_crossentropy")
        return model

    def batches(seed):
        return kf.datasets.as_pydataset((x, y), 4, seed=seed)

    def killed(epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return learning_rate(epoch)

    def learning_rate(epoch):
        rates.append(0.5**epoch)
        return rates[-1]

    with pytest.raises(KeyboardInterrupt):
        list(common.fitted(build, batches, [5], args, tmp_path, killed))
    (model,) = common.fitted(build, batches, [5], args, tmp_path, learning_rate)
    assert rates == [1, 0.5, 0.25, 0.125]
    # Two steps an epoch, the optimizer's state included.
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 8


ALL = (
    ("centralnet_table5", ()),
    ("centralnet_table7", ()),
    *(
        ("multilevel_table1", ("--data", data))
        for data in ("afew", "audioset", "montalbano", "mm_imdb")
    ),
    *(("modality_gate_tables", ("--table", number)) for number in (1, 3, 4)),
)


NEEDED = r"(?s)expected .*What this command needs:\nname: .*licence: .*download: "


@pytest.mark.parametrize(("name", "options"), ALL)
def test_without_data(command, tmp_path, monkeypatch, name, options):
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    for data in (None, empty):
        with pytest.raises(SystemExit, match=NEEDED) as error:
            command(name, "--quick", *options, data=data)
        assert isinstance(error.value.code, str)  # printed on stderr, exit code 1
        assert error.value.__suppress_context__ and not list((tmp_path / "results").iterdir())
        assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


def test_broken_data(command, files, tmp_path):
    inner = tmp_path / "afew"
    shutil.copytree(files / "afew", inner)
    (inner / "train_audio.npy").write_bytes(b"")
    with pytest.raises(SystemExit, match="train_audio.npy is not a complete .npy file"):
        command("multilevel_table1", "--quick", data=tmp_path)


def args_of(**values):
    return type("Args", (), values)()


class Built(Exception):
    """Raised in place of a training, with the function that builds the model."""


def models_of(monkeypatch, name, rows):
    """`{row: model}`, of rows that are not trained and weights that are not filled.

    What they would be compiled with is in `model.asked`: learning rate and loss.
    """

    def stop(build, *_, **__):
        raise Built(build)

    def compile(self, optimizer, loss, metrics=()):
        self.asked = optimizer, loss

    monkeypatch.setattr(keras.optimizers, "Adam", float)
    monkeypatch.setattr(keras.Model, "compile", compile)
    monkeypatch.setattr(kf.FusionModel, "compile", compile)
    monkeypatch.setattr(kf.training, "fit_replicas", stop)
    monkeypatch.setattr(sys.modules["centralnet_table5"], "fitted", stop)
    monkeypatch.setattr(sys.modules[name], "fitted", stop, raising=False)
    parts = dict.fromkeys(PARTS, (defaultdict(list), []))
    data = (lambda fold: parts) if name == "modality_gate_tables" else parts
    found = {}
    for row in rows:
        with pytest.raises(Built) as built:
            row.run(row.part(data, 0), [0], args_of(epochs=1, patience=1), 0, None)
        with without_weights():
            found[row.name], other = (built.value.args[0]() for _ in range(2))
        variables = [{id(v) for v in model.variables} for model in (found[row.name], other)]
        assert variables[0].isdisjoint(variables[1])  # a new model for every run
    return found


def heads(model):
    return list(model.output) if isinstance(model.output, dict) else ["alone"]


def sizes(model):
    outputs = model.output.values() if isinstance(model.output, dict) else [model.output]
    return {tensor.shape[-1] for tensor in outputs}


@pytest.mark.parametrize(
    ("name", "classes"), [("centralnet_table5", 21), ("centralnet_table7", 23)]
)
def test_rows_of_the_centralnet_paper(monkeypatch, name, classes):
    table = module(monkeypatch, name)
    module(monkeypatch, "centralnet_table5")
    given = {
        row: table.row(row, None, *about) for row, (_, *about) in table.methods().items()
    } if name.endswith("7") else {
        row: table.row(row, None, build, table.MODALITIES.get(row))
        for row, (_, build) in table.methods().items()
    }  # fmt: skip
    models = models_of(monkeypatch, name, given.values())
    singles = 4 if name.endswith("5") else 2
    assert tuple(models)[singles : singles + 6] == CENTRAL
    for number, (row, model) in enumerate(models.items()):
        assert sizes(model) == {classes}
        if number < singles:
            assert heads(model) == ["alone"] and list(model.input) == [MODALITY[row]]
        else:
            several = row in ("Concat + Multi-Task", "CentralNet")
            assert len(heads(model)) == (1 + singles if several else 1)
            assert len(model.input) == singles
    if name == "centralnet_table7":
        weights = {row: model.asked[1].positive_weight for row, model in models.items()}
        assert weights.pop("GMU, its authors' protocol") == 1 and set(weights.values()) == {2}
        # As in the authors' code.
        assert sum(
            int(np.prod(v.shape)) for v in models["GMU, its authors' protocol"].trainable_variables
        ) == 3_849_327  # fmt: skip


@pytest.mark.parametrize(
    ("data", "classes", "chosen"),
    [
        ("afew", 7, None),
        ("audioset", 211, ("Audio (best modality)", "Early", "GMU")),
        ("montalbano", 21, None),
        ("mm_imdb", 23, None),
    ],
)
def test_rows_of_the_multilevel_paper(monkeypatch, data, classes, chosen):
    table = module(monkeypatch, "multilevel_table1")
    args = args_of(weights="random", quick=False, data_dir=None)
    rows = getattr(table, data)(args)[0]
    names = [row.name for row in rows]
    assert tuple(names)[-6:] == LEVELS and len(names) == (8 if data in ("afew", "audioset") else 7)
    rows = [row for row in rows if chosen is None or row.name in chosen]
    models = models_of(monkeypatch, "multilevel_table1", rows)
    for row, model in models.items():
        assert sizes(model) == {classes}
        assert (len(heads(model)) > 1) == (row == "CentralNet")
    if data != "audioset":
        # What is concatenated are the inputs themselves.
        widths = {"afew": 1583 + 512, "montalbano": 1600, "mm_imdb": 4396}
        assert models["Early"].get_layer("fusion_0").output.shape == (None, widths[data])
    else:
        assert models["Early"].get_layer("fusion_0").output.shape == (None, 128, 128, 192)


def test_rows_of_the_modality_gate_paper(monkeypatch):
    table = module(monkeypatch, "modality_gate_tables")
    module(monkeypatch, "centralnet_table5")
    methods = table.methods(args_of(weights="random", size=32), 6)
    assert all(len(published.split()) == len(methods) for _, _, published in table.TABLES.values())
    chosen = ("DepthMap-ResNet50", "RGB-VGG19", "NF: RGB-ResNet50+DepthMap-scratch",
              "Ours: RGB-ResNet50+DepthMap-scratch")  # fmt: skip
    rows = [table.row(name, "", *methods[name]) for name in chosen]
    models = models_of(monkeypatch, "modality_gate_tables", rows)
    assert [list(model.input) for model in models.values()][:2] == [["depth"], ["rgb"]]
    naive, gated = models[chosen[2]], models[chosen[3]]
    assert naive.get_layer("fusion_0").output.shape == (None, 2048 + 512)
    # They differ in the gate alone: one matrix of 512 x 2048 and what belongs to it.
    extra = gated.count_params() - naive.count_params()
    assert extra == gated.get_layer("fusion_0").count_params() > 0
