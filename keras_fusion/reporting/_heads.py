"""The sections on single predictions: which classes are confused, where modalities disagree."""

import base64
import io

import numpy as np

from keras_fusion.reporting._classes import confusion, disagreements
from keras_fusion.reporting._sections import Section, percent, table

MOST_CLASSES = 20
SHOWN = 12
PIXELS = 64
HEAT = 55  # percent of the accent's color at most, on which text can still be read
NO_CLASSES = "Only for predictions of one class a sample."


def confusion_section(truth, said, classes):
    """Rows are the true classes, columns what the fusion predicts."""
    section = Section("Confusion")
    if truth is None:
        section.text.append(NO_CLASSES)
        return section
    width = said["central"].shape[1]
    names = _names(classes, width)
    counts = confusion(truth, said["central"].argmax(axis=1), width)
    if width <= MOST_CLASSES:
        section.text.append("Rows: the true class. Columns: what the fusion predicts.")
        rows = [
            [names[i], *(_heat(n, max(1, row.sum())) for n in row)] for i, row in enumerate(counts)
        ]
        section.tables.append(table(["", *names], rows))
        return section
    section.text.append(f"The most frequent of the confusions of {width} classes.")
    counts[np.diag_indices(width)] = 0
    worst = np.argsort(-counts, axis=None, kind="stable")[:MOST_CLASSES]
    rows = [
        [names[i], names[j], counts[i, j]]
        for i, j in zip(*np.unravel_index(worst, counts.shape), strict=True)
        if counts[i, j]
    ]
    section.tables.append(table(["true", "predicted", "samples"], rows))
    return section


def disagreement_section(model, x, truth, said, here, classes):
    """The samples of which two modalities say different things, and both are sure of it."""
    section = Section("Where the modalities disagree")
    if truth is None:
        section.text.append(NO_CLASSES)
        return section
    found = disagreements(truth, said, here, SHOWN)
    if found is None:
        section.text.append(
            "Only for models with heads of two modalities or more: build with "
            "unimodal_loss_weights above 0."
        )
        return section
    count, heads = found["count"], list(found["right"])
    section.text.append(f"The modalities' own heads disagree on {count} of {len(truth)} samples.")
    if not count:
        return section
    right = [[head, percent(found["right"][head])] for head in heads]
    section.tables.append(table(["who", "right on these samples"], right))
    names = _names(classes, said["central"].shape[1])
    pictured = [name for name in model.modalities if _is_pictures(x[name])]
    rows = []
    for sample in found["samples"]:
        i = sample["number"]
        cells = [f"{i}"]
        cells += [{"picture": _picture(x[name][i]), "text": f"{name} of {i}"} for name in pictured]
        cells.append(names[sample["truth"]])
        for head in heads:
            if head not in sample["says"]:
                cells.append("absent")
                continue
            label, sure = sample["says"][head]
            text = f"{names[label]} ({percent(sure)})"
            cells.append({"text": text, "right": label == sample["truth"]})
        rows.append(cells)
    head = ["sample", *pictured, "truth", *(f"{name} says" for name in heads)]
    shown = f"The {len(rows)} samples on which even the least sure modality is surest"
    section.tables.append(table(head, rows, shown))
    return section


def _names(classes, width):
    classes = [] if classes is None else classes
    return [*classes[:width], *map(str, range(len(classes), width))]


def _heat(count, of):
    return {"text": str(count), "heat": round(HEAT * count / of, 1)}


def _is_pictures(array):
    shape = getattr(array, "shape", ())
    return len(shape) == 4 and shape[-1] in (1, 3)


def _picture(pixels):
    """A small PNG of one sample, from its smallest value to its largest, in the page itself."""
    import matplotlib.image

    pixels = np.asarray(pixels, "float32")
    step = -(-max(pixels.shape[:2]) // PIXELS)
    pixels = np.nan_to_num(pixels[::step, ::step])
    low, high = pixels.min(), pixels.max()
    pixels = (pixels - low) / max(high - low, 1e-6)
    file = io.BytesIO()
    pixels = np.repeat(pixels, 3 // pixels.shape[-1], axis=-1)
    matplotlib.image.imsave(file, pixels, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
