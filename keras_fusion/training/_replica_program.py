"""JAX only: the epochs of many replicas as one XLA program."""

import contextlib

import keras

from keras_fusion.training._convolutions import matrix_products
from keras_fusion.training._replica_epochs import prepared


class Program:
    """All replicas of a training, side by side on the device.

        vmap over replicas (scan over the steps of an epoch (model.train_step))

    `train_step` is Keras' own pure step, that `fit` compiles, so that losses, metrics, optimizer,
    batch normalization and dropout are those of `fit`. State is a tuple of lists, trainable,
    non-trainable and optimizer variables, every array with the replicas in front.

    Args:
        build: Function that returns a compiled model.
        starts: The `Starts` that calls it.
        first: What it returned for the first seed.
        seeds: List of integers.
        data: `(x, y, sample_weight)` of the training.
        validation: The same, or `None`.
        batch_size: Positive integer.
        patches: Boolean, whether convolutions are computed as matrix products.
        values: Optional state to go on from, lists of arrays. Defaults to `None`.
    """

    def __init__(
        self, build, starts, first, seeds, data, validation, batch_size, patches, values=None
    ):
        import jax

        self.replicas, self.batch_size = len(seeds), batch_size
        self.model = model = prepared(first, data, batch_size)
        rows = [_host([model.trainable_variables, model.non_trainable_variables])]
        shared = {id(variable) for variable in model.variables}
        for seed in seeds[1:] if values is None else ():
            other = starts(build, seed)
            rows.append(_host([other.trainable_variables, other.non_trainable_variables]))
            shared &= {id(variable) for variable in other.variables}
            if other is model:  # compiled anew
                prepared(model, data, batch_size)
        self._traced = matrix_products if patches else contextlib.nullcontext
        if values is None:
            check_alike(rows, seeds, model, shared)
            optimizer = _host([model.optimizer.variables])[0]
            stacked = [_stacked(group) for group in zip(*rows, strict=True)]
            values = [*stacked, [[value] * self.replicas for value in optimizer]]
        self._variables = [
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
        ]
        self.load(values)
        self._kept = None
        self._empty = _host([model.metrics_variables])[0]
        # Put on the device once, as floats and ints that the backend computes with.
        self._data = jax.tree.map(jax.numpy.asarray, data)
        self._validation = jax.tree.map(jax.numpy.asarray, validation)
        self._compiled = {}

    def load(self, values):
        """Sets the state from lists of arrays."""
        import jax.numpy as jnp

        # Copies: what is donated to a program is gone afterwards.
        self.state = tuple(
            [jnp.array(value, dtype=v.dtype) for value, v in zip(group, of, strict=True)]
            for group, of in zip(values, self._variables, strict=True)
        )

    def values(self):
        """The state as it would be returned now, lists of arrays on the device."""
        return [list(group) for group in self.state]

    def kept(self):
        """The state that `keep` wrote down, or None."""
        return None if self._kept is None else [list(group) for group in self._kept]

    def load_kept(self, values):
        """Sets what `kept` returns from lists of arrays."""
        state = self.state
        self.load(values)
        self._kept, self.state = self.state, state

    def keep(self, which):
        """Writes down the state of those replicas for which `which`, `(replicas,)`, is True."""
        import jax
        import jax.numpy as jnp

        if self._kept is None:
            self._kept = jax.tree.map(jnp.copy, self.state)
            return
        if "keep" not in self._compiled:
            self._compiled["keep"] = jax.jit(chosen, donate_argnums=2)
        self._kept = self._compiled["keep"](jnp.asarray(which), self.state, self._kept)

    def set_learning_rates(self, rates):
        """Sets the learning rate of every replica, `(replicas,)`."""
        import jax.numpy as jnp

        index = learning_rate_index(self.model.optimizer)
        self.state[2][index] = jnp.asarray(rates, self.state[2][index].dtype)

    def train(self, orders, epoch):
        """One epoch; `orders`, `(replicas, samples)`, are row numbers. Returns metrics."""
        del epoch  # the state says where random streams are
        *state, logs = self._run("train", self.state, orders, self._data)
        self.state = tuple(state)
        return logs

    def evaluate(self):
        """Metrics of all replicas on the validation data."""
        import numpy as np

        count = len(keras.tree.flatten(self._validation)[0])
        orders = np.broadcast_to(np.arange(count, dtype="int32"), (self.replicas, count))
        return self._run("test", self.state[:2], orders, self._validation)[-1]

    def end_epoch(self, logs):
        """What `fit` does after an epoch by a callback of its own: blends the losses anew."""
        import jax.numpy as jnp
        import numpy as np

        if getattr(self.model, "balance", None) != "blend":
            return
        balance = self.model._fusion.balance
        own = [id(variable) for variable in self._variables[1]]
        places = [own.index(id(variable)) for variable in balance.state]
        values = [np.asarray(self.state[1][i]) for i in places]
        after = [
            balance.after_epoch(
                self.model,
                [value[k] for value in values],
                {name: value[k] for name, value in logs.items()},
            )
            for k in range(self.replicas)
        ]
        for i, value in zip(places, zip(*after, strict=True), strict=True):
            self.state[1][i] = jnp.asarray(np.stack(value), self.state[1][i].dtype)

    def _run(self, kind, state, orders, data):
        """Runs an epoch of training or of evaluation: state, and metrics on the host."""
        import jax
        import jax.numpy as jnp
        import numpy as np

        orders = jnp.asarray(orders, "int32")
        with self._traced():
            if kind not in self._compiled:
                self._compiled[kind] = self._functions(kind, state, orders, data)
            whole, start, step, end = self._compiled[kind]
            if whole is not None:
                *state, logs = whole(state, orders, data)
            else:
                state = start(state)
                for begin in range(0, orders.shape[1], self.batch_size):
                    state = step(state, orders[:, begin : begin + self.batch_size], data)
                *state, logs = end(state)
        return *state, {name: np.asarray(value) for name, value in jax.device_get(logs).items()}

    def _functions(self, kind, state, orders, data):
        import jax
        import jax.numpy as jnp

        model, size = self.model, self.batch_size

        def start(state):
            return *state, [jnp.asarray(value) for value in self._empty]

        def step(state, rows, data):
            batch = jax.tree.map(lambda a: jnp.take(a, rows, axis=0, mode="clip"), data)
            run = model.train_step if kind == "train" else model.test_step
            return tuple(run(state, batch)[1])

        def end(state):
            *state, metrics = state
            mapping = list(zip(model.metrics_variables, metrics, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                logs = model.get_metrics_result()
            return *state, logs

        def epoch(state, rows, data):
            state = start(state)
            steps, rest = divmod(len(rows), size)
            if steps:
                batches = rows[: steps * size].reshape(steps, size)
                state, _ = jax.lax.scan(lambda s, b: (step(s, b, data), None), state, batches)
            if rest:
                state = step(state, rows[steps * size :], data)
            return end(state)

        donate = 0 if kind == "train" else ()
        each = jax.vmap(step, in_axes=(0, 0, None))
        # On the CPU, XLA computes a convolution within a loop many times slower than outside.
        if jax.default_backend() == "cpu":
            begun = jax.eval_shape(jax.vmap(start, axis_size=self.replicas), tuple(state))
            traced = jax.make_jaxpr(each)(begun, orders[:, :size], data)
            if _has_convolution(traced.jaxpr):
                return (
                    None,
                    jax.jit(jax.vmap(start, axis_size=self.replicas)),
                    jax.jit(each, donate_argnums=0),
                    jax.jit(jax.vmap(end)),
                )
        whole = jax.jit(jax.vmap(epoch, in_axes=(0, 0, None)), donate_argnums=donate)
        return whole, None, None, None


def chosen(which, new, old):
    """`new` for the replicas where `which` is True, and `old` for the others."""
    import jax
    import jax.numpy as jnp

    def choose(a, b):
        return jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, new, old)


def check_alike(rows, seeds, model, shared):
    """An error if the replicas are of different shapes, or share a stream of random numbers.

    The variables in `shared`, a set of ids, are the user's, which every call of `build` returned.
    """
    shapes = [[[value.shape for value in group] for group in row] for row in rows]
    for seed, shape in zip(seeds, shapes, strict=True):
        if shape != shapes[0]:
            raise ValueError(
                "build: expected the same architecture for every seed. Received: other weights "
                f"for seed {seed} than for seed {seeds[0]}"
            )
    if len(seeds) == 1:
        return
    for i, variable in enumerate(model.non_trainable_variables):
        streams = {row[1][i].tobytes() for row in rows}
        own = variable.path.endswith("seed_generator_state") and id(variable) not in shared
        if own and len(streams) == 1:
            raise ValueError(
                "build: expected random layers without a seed of their own, so that every "
                f"replica draws for itself. Received: the same seed everywhere in {variable.path}"
            )


def learning_rate_index(optimizer):
    """Which of the optimizer's variables is the learning rate."""
    for i, variable in enumerate(optimizer.variables):
        if variable.path.endswith("learning_rate"):
            return i
    raise ValueError(
        "learning_rate: expected an optimizer with a number as learning rate. Received: one with "
        "a schedule of its own"
    )


def _host(groups):
    return [[keras.ops.convert_to_numpy(v.value) for v in group] for group in groups]


def _stacked(rows):
    import numpy as np

    return [np.stack(column) for column in zip(*rows, strict=True)]


def _has_convolution(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else [value]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns") and _has_convolution(inner):
                    return True
    return False
