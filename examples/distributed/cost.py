"""How the cost of a CentralNet grows with modalities, levels and batch, and with devices.

    KERAS_BACKEND=jax python examples/distributed/cost.py
    KERAS_BACKEND=jax python examples/distributed/cost.py --devices 2

Every modality has the same small network: `levels` convolutions and a prediction. One number
changes at a time. Prints parameters and, for a CentralNet and for its networks trained one by
one: on JAX the operations of a forward and backward pass, as XLA counts them, and the processor
time of a training step (all threads, median over the steps). With --devices, JAX spreads every
batch over so many CPU devices. About two minutes on two CPU cores; --steps 0 only counts.
"""

import argparse
import os
import time

BASE = {"modalities": 2, "levels": 2, "batch": 64}
CHANGES = {"modalities": (2, 4, 8, 16, 32), "levels": (1, 2, 3, 4), "batch": (16, 64, 256)}
HEADINGS = ("changed", *BASE, "parameters", "Mflop", "one by one", "ms", "one by one")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--devices", type=int, default=1, help="more than one: JAX only")
    args = parser.parse_args()
    if args.devices > 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={args.devices}"

    import keras

    if args.devices > 1:
        devices = keras.distribution.list_devices()
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    print(f"{keras.backend.backend()}, {args.devices} devices")
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for changed, values in CHANGES.items():
        for value in values:
            case = {**BASE, changed: value}
            cells = [changed, *case.values(), *measure(**case, steps=args.steps)]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def measure(modalities, levels, batch, steps):
    """Parameters; operations, then milliseconds, of the CentralNet and of its networks."""
    import keras
    import numpy as np

    import keras_fusion as kf

    keras.utils.clear_session()
    nets = {f"modality_{k}": network(f"modality_{k}", levels) for k in range(modalities)}
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(batch, 16, 16, 1)).astype("float32") for name in nets}
    y = rng.integers(0, 10, batch)
    first = next(iter(nets))
    found = []
    for how in (operations, step_time):
        alone = how(nets[first], x[first], y, steps)
        central = how(kf.build_centralnet(nets), x, y, steps)
        cells = (central, alone and modalities * alone)
        found += ["" if cell is None else f"{cell:,.1f}" for cell in cells]
    return f"{kf.build_centralnet(nets).count_params():,}", *found


def network(name, levels):
    import keras

    x = inputs = keras.Input((16, 16, 1))
    for i in range(levels):
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name=f"conv{i}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{i}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(10, activation="softmax", name="out")(x)
    return keras.Model(inputs, x, name=name)


def operations(model, x, y, steps):
    """Millions in a forward and backward pass, before XLA optimizes them; None but on JAX."""
    import keras

    if keras.backend.backend() != "jax":
        return None
    import jax

    fixed = [variable.value for variable in model.non_trainable_variables]

    def loss(trained):
        predicted, _ = model.stateless_call(trained, fixed, x, training=True)
        return sum(keras.ops.sum(head**2) for head in jax.tree.leaves(predicted))

    trained = [variable.value for variable in model.trainable_variables]
    return jax.jit(jax.grad(loss)).lower(trained).cost_analysis()["flops"] / 1e6


def step_time(model, x, y, steps):
    """Median over epochs of one batch, in milliseconds; the first two are left out."""
    import keras
    import numpy as np

    if not steps:
        return None
    model.compile("adam", loss="sparse_categorical_crossentropy")
    times = []

    def end(batch, logs):
        float(logs["loss"])  # waits for the step
        times[-1] += time.process_time()

    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: times.append(-time.process_time()),
        on_train_batch_end=end,
    )
    fit = {"batch_size": len(y), "shuffle": False, "verbose": 0, "callbacks": [clock]}
    model.fit(x, y, epochs=steps + 2, **fit)
    return 1000 * float(np.median(times[2:]))


if __name__ == "__main__":
    main()
