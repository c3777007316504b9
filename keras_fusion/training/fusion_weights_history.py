"""The fusion weights while a model trains: as lists, as a CSV file, in TensorBoard."""

import csv
import os

import keras

from keras_fusion._files import whole_file
from keras_fusion.training._event_files import add_events, check_log_dir, new_event_file

PREFIX = "fusion/"


class FusionWeightsHistory(keras.callbacks.Callback):
    """Records the fusion weights of a model before training and after every epoch.

    Use it to see when a fusion model decides which modality counts at which level, and what the
    scores were then. `plot_fusion_history` draws what it recorded.

    A training that starts at epoch 0 starts the record and the CSV file anew. One that resumes
    (`initial_epoch` of `fit()`, or `keras.callbacks.BackupAndRestore`) goes on with the record of
    this callback, else with the CSV file; epochs that are trained again replace their old rows.
    Place it after callbacks that change the weights, such as `EarlyStopping`.

    Args:
        path: Optional path of a CSV file in an existing folder. Columns: `epoch` (how many epochs
            the model has finished), `fusion/<level>/<source>` (shares between 0 and 1), then the
            logs; row 0, before training, has no logs. The file is replaced as a whole after every
            epoch, so that it is complete whenever training is stopped. Defaults to `None`.
        log_dir: Optional path of a local folder for TensorBoard. Each share becomes a scalar
            `fusion/<level>/<source>` over the epochs. Needs the package `tensorboard`, on every
            backend, but not TensorFlow. Defaults to `None`.
        plot: Optional function that takes the fusion weights and returns a matplotlib figure, such
            as `keras_fusion.plot_fusion_weights`. Its picture goes to TensorBoard before the first
            epoch and at the end of training. Needs `log_dir`. Defaults to `None`.

    Attributes:
        epochs: List of integers, the number of finished epochs of each record; 0 is before
            training.
        weights: List of dictionaries `{level: {source: share}}`, one for each of `epochs`.
        logs: List of dictionaries of the scalar losses and metrics of the epoch, empty before
            training.

    Raises:
        TypeError: if `plot` is no function, or when training starts with a model that has no
            fusion weights.
        ValueError: if `plot` is given without `log_dir`, if `log_dir` is a remote address, or if
            training resumes with a CSV file of another model.
        OSError: when training starts, if `path` or `log_dir` cannot be written.
        ImportError: if `log_dir` is given and `tensorboard` is not installed.

    Note: KerasTuner gives every trial a copy of the callback, so that `path` and `log_dir` hold
    the last trial only.

    Example:

    >>> import keras_fusion as kf
    >>> import numpy as np
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy")
    >>> x = {"image": np.ones((8, 4)), "audio": np.ones((8, 6))}
    >>> history = kf.training.FusionWeightsHistory()
    >>> _ = model.fit(x, np.zeros(8), epochs=2, verbose=0, callbacks=[history])
    >>> history.epochs
    [0, 1, 2]
    >>> history.weights[0]["level_0"]
    {'image': 0.5, 'audio': 0.5}
    >>> sorted(history.logs[-1])
    ['audio_loss', 'central_loss', 'image_loss', 'loss']

    Reference:
        Vielzeuf et al., Multilevel Sensor Fusion with Deep Learning, 2018, Fig. 3,
        https://arxiv.org/abs/1811.02447
    """

    def __init__(self, path=None, log_dir=None, plot=None):
        super().__init__()
        if path is not None and not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"expected `path` to be the path of a file. Received: path={path!r}")
        self.path = None if path is None else os.fspath(path)
        self.log_dir = None if log_dir is None else check_log_dir(log_dir)
        if plot is not None and not callable(plot):
            raise TypeError(
                "expected `plot` to be a function from fusion weights to a matplotlib figure. "
                f"Received: plot={plot!r}"
            )
        if plot is not None and log_dir is None:
            raise ValueError(
                "expected `log_dir` with `plot`: the pictures go to TensorBoard. "
                "Received: log_dir=None"
            )
        self.plot = plot
        self.epochs, self.weights, self.logs = [], [], []
        self._event_file = None
        self._starting = True

    def on_train_begin(self, logs=None):
        self._starting = True

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, which does not know at which epoch training resumes, and where
        # a callback further down the list may not have restored the weights yet.
        if not self._starting:
            return
        self._starting = False
        weights = _read_fusion_weights(self.model)
        self._resume(epoch, weights)
        if self.log_dir is not None:
            self._event_file = new_event_file(self.log_dir, epoch)
            add_events(self._event_file, epoch, _flatten(weights), self._pictures(weights))
        if epoch not in self.epochs:
            self._record(epoch, weights, {})
        self._write_csv()

    def on_epoch_end(self, epoch, logs=None):
        weights = _read_fusion_weights(self.model)
        # Some metrics give a vector, which is no curve and fits no cell.
        scalars = {k: float(v) for k, v in (logs or {}).items() if getattr(v, "ndim", 0) == 0}
        self._record(epoch + 1, weights, scalars)
        self._write_csv()
        if self.log_dir is not None:
            add_events(self._event_file, epoch + 1, _flatten(weights))

    def on_train_end(self, logs=None):
        if self.plot is not None and not self._starting:
            pictures = self._pictures(_read_fusion_weights(self.model))
            add_events(self._event_file, self.epochs[-1], {}, pictures)

    def __getstate__(self):
        # A copy, such as KerasTuner makes for every trial, is for another model.
        return {**self.__dict__, "_model": None}

    def _record(self, epoch, weights, logs):
        self.epochs.append(epoch)
        self.weights.append(weights)
        self.logs.append(logs)

    def _rows(self):
        records = zip(self.epochs, self.weights, self.logs, strict=True)
        return [{"epoch": epoch, **_flatten(w), **logs} for epoch, w, logs in records]

    def _resume(self, epoch, weights):
        """Keeps the rows up to `epoch`; what was recorded later is trained again."""
        rows = []
        if epoch > 0 and self.epochs:
            rows = self._rows()
        elif epoch > 0 and self.path is not None and os.path.exists(self.path):
            rows = _read_rows(self.path)
        expected = _flatten(weights)
        self.epochs, self.weights, self.logs = [], [], []
        for row in rows:
            found = [column for column in row if column.startswith(PREFIX)]
            if set(found) != set(expected):
                raise ValueError(
                    f"expected the record that training resumes to have the columns "
                    f"{list(expected)} of this model. Received: path={self.path!r} with {found}"
                )
            if row["epoch"] <= epoch:
                logs = {k: v for k, v in row.items() if k != "epoch" and k not in expected}
                self._record(int(row["epoch"]), _unflatten(row, weights), logs)

    def _pictures(self, weights):
        return {} if self.plot is None else {"fusion_weights": self.plot(weights)}

    def _write_csv(self):
        if self.path is not None:
            _write_rows(self.path, self._rows())


def log_fusion_weights(model_or_weights, log_dir, step=0, figures=None):
    """Writes the fusion weights of a model, and figures, to TensorBoard.

    Use it for a model that is already trained; `FusionWeightsHistory` does it during training.

    Args:
        model_or_weights: A `FusionModel`, or the dictionary `{level: {source: share}}` that its
            method `fusion_weights()` returns.
        log_dir: Path of a local folder; it is made if it does not exist. TensorBoard drops the
            later steps of a curve that goes back: in the folder of a training, give a later step.
        step: Integer, the step at which TensorBoard shows the values. Defaults to `0`.
        figures: Optional dictionary from names to matplotlib figures, shown as pictures, such as
            `{"fusion_weights": keras_fusion.plot_fusion_weights(model)}`. Defaults to `None`.

    Returns:
        The path of the event file, a string.

    Raises:
        TypeError: if `model_or_weights` has no fusion weights.
        ValueError: if `log_dir` is a remote address.
        OSError: if `log_dir` cannot be written.
        ImportError: if `tensorboard` is not installed.

    Example:

    >>> import tempfile
    >>> from keras_fusion.training import log_fusion_weights
    >>> weights = {"level_0": {"audio": 0.25, "image": 0.75}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = log_fusion_weights(weights, folder, step=3)
    """
    weights = _read_fusion_weights(model_or_weights)
    file = new_event_file(check_log_dir(log_dir))
    add_events(file, step, _flatten(weights), figures)
    return file


def _read_fusion_weights(model):
    weights = model
    if callable(getattr(model, "fusion_weights", None)):
        try:
            weights = model.fusion_weights()
        except ValueError as error:
            # A training that diverges should not lose its record: its shares are NaN or zero.
            if not hasattr(error, "weights"):
                raise
            weights = error.weights
    if not isinstance(weights, dict):
        raise TypeError(
            "model_or_weights: expected a FusionModel, or what its `fusion_weights()` returns. "
            f"Received: {model!r}"
        )
    return {
        str(level): {str(source): float(share) for source, share in shares.items()}
        for level, shares in weights.items()
    }


def _flatten(weights):
    return {
        f"{PREFIX}{level}/{source}": share
        for level, shares in weights.items()
        for source, share in shares.items()
    }


def _unflatten(row, like):
    return {
        level: {source: row[f"{PREFIX}{level}/{source}"] for source in shares}
        for level, shares in like.items()
    }


def _write_rows(path, rows):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    try:
        with (
            whole_file(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise OSError(
            "expected `path` to be a file that can be written in an existing folder. "
            f"Received: path={path!r} ({error.strerror})"
        ) from error


def _read_rows(path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file, strict=True))
        rows = [{name: float(text) for name, text in row.items() if text != ""} for row in table]
        if not rows or not all("epoch" in row for row in rows):
            raise ValueError("no row, or one without epoch")
    except (csv.Error, TypeError, ValueError) as error:
        raise ValueError(
            "expected `path` to be a CSV file written by FusionWeightsHistory. "
            f"Received: path={path!r} ({error})"
        ) from error
    return rows
