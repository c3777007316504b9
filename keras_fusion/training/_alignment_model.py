"""The model that `align` fits: the embeddings of all modalities, and a loss of them alone."""

import math
from itertools import combinations

import keras
from keras import ops

from keras_fusion.models.fusion_model import check_inputs, with_present
from keras_fusion.training import _alignment_losses as losses
from keras_fusion.training._replica_data import Ordered

# What a loss learns beside the embeddings, and where that starts.
STARTS = {
    "infonce": {"log_scale": math.log(1 / 0.07)},
    "siglip": {"log_scale": math.log(10), "bias": -10.0},
    "symile": {"log_scale": math.log(1 / 0.07)},
    "dcca": {},
    "correlation": {},
}


class Aligner(keras.Model):
    """Calls the model of the embeddings; its loss needs no targets.

    Args:
        embeddings: `keras.Model` from a dict of inputs to `{modality: embedding}`.
        loss: One of `STARTS`.
        seed: Integer, of the negatives that "symile" draws.
    """

    def __init__(self, embeddings, loss, seed):
        super().__init__(name="align")
        self.embeddings, self.kind, self.seed = embeddings, loss, seed
        self.names = sorted(embeddings.output)
        self.scalars = {}
        for name, start in STARTS[loss].items():
            self.scalars[name] = self.add_weight(
                (),
                keras.initializers.Constant(start),
                constraint=_AtMost100() if loss == "infonce" else None,
                dtype="float32",
                name=name,
            )
        if loss == "symile":
            self.generator = keras.random.SeedGenerator(seed)

    @property
    def input(self):
        """The inputs by modality, of which messages on text speak."""
        return self.embeddings.input

    def call(self, inputs, training=None):
        """The embeddings, and which of them are of a modality that is there."""
        x = check_inputs(inputs, self.input)
        x = with_present({name: x[name] for name in self.input if name in x}, self.names)
        present = ops.cast(x["present"], "float32")
        found = self.embeddings({name: x[name] for name in self.input}, training=training)
        return {**found, "present": present}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        vectors = [y_pred[name] for name in self.names]
        loss = self._loss(vectors, y_pred["present"], training)
        return sum(map(ops.sum, self.losses), loss)

    def _loss(self, vectors, present, training):
        if self.kind == "symile":
            seed = self.generator if training else self.seed  # validation draws the same ones
            draws = keras.random.uniform((len(vectors), ops.shape(present)[0]), seed=seed)
            here = ops.prod(present, axis=1)
            return losses.symile(vectors, here=here, draws=draws, **self.scalars)
        of_pair = getattr(losses, self.kind)
        return sum(
            of_pair(vectors[a], vectors[b], here=present[:, a] * present[:, b], **self.scalars)
            for a, b in combinations(range(len(vectors)), 2)
        )


class _AtMost100(keras.constraints.Constraint):
    """Of a scale whose logarithm is trained."""

    def __call__(self, log_scale):
        return ops.minimum(log_scale, math.log(100))


class Batches(Ordered):
    """Batches without targets, all of one size: a loss among few samples has another scale."""

    def __init__(self, x, seed, batch_size):
        super().__init__((x,), seed, batch_size, shuffle=True)

    def __len__(self):
        return max(1, self.identity["samples"] // self.identity["batch_size"])

    def __getitem__(self, index):
        return keras.tree.map_structure(_as_text, super().__getitem__(index))


def _as_text(array):
    return ops.convert_to_tensor(array, dtype="string") if array.dtype.kind in "USTO" else array


def arrays(x):
    """What is not on disk as NumPy's arrays, text too."""
    return keras.tree.map_structure(lambda a: ops.convert_to_numpy(a) if ops.is_tensor(a) else a, x)
