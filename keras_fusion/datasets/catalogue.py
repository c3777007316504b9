"""All data sets by name: what they are, where to get them, and loading them."""

import dataclasses
import importlib

from keras_fusion.datasets._entries import ENTRIES


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set; made by `info`.

    Attributes:
        name: Its name, that of its module in `keras_fusion.datasets`.
        modalities: Dict, for each modality the shape of one sample.
        target: What is to be predicted.
        samples: Dict, how many samples each part has, where that is known.
        split: Where the parts come from.
        origin: Where the data come from.
        licence: Under which terms.
        citation: What to cite.
        files: What has to lie in the folder named by `data_dir` or `KERAS_FUSION_DATA`.
        download: What to get from where.

    Example:

    >>> import keras_fusion as kf
    >>> kf.datasets.info("grid_digits").licence
    'CC BY 4.0'
    """

    name: str
    modalities: dict
    target: str
    samples: dict
    split: str
    origin: str
    licence: str
    citation: str
    files: str
    download: str

    def __str__(self):
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return "\n".join(f"{name + ':':<12}{value}" for name, value in fields.items())


_DATASETS = {name: DatasetInfo(name, **entry) for name, entry in ENTRIES.items()}


def info(name=None):
    """What a data set is, its licence, and what to download from where.

    Args:
        name: Name of the data set. `None` for all of them. Defaults to `None`.

    Returns:
        `DatasetInfo`, which prints as a table, or a dict of all of them by name.

    Raises:
        ValueError: If there is no such data set.

    Example:

    >>> import keras_fusion as kf
    >>> kf.datasets.info("mfeat").samples
    {'train': 1400, 'validation': 200, 'test': 400}
    >>> "mm_imdb" in kf.datasets.info()
    True
    """
    if name is None:
        return dict(_DATASETS)
    if name not in _DATASETS:
        raise ValueError(f"name: expected one of {list(_DATASETS)}. Received: {name!r}")
    return _DATASETS[name]


def load_data(name, **kwargs):
    """Loads a data set by its name.

    Args:
        name: Name of the data set, see `info()`.
        **kwargs: Arguments of the data set's own `load_data`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`, `x` a dict keyed by
        modality.

    Raises:
        ValueError: If there is no such data set; and whatever its own `load_data` raises.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.load_data("mfeat")  # where KERAS_FUSION_DATA names the folder
    x, y = data["train"]
    ```
    """
    if name not in _DATASETS:
        info(str(name))
    return getattr(importlib.import_module(__package__), name).load_data(**kwargs)
