"""JAX: one CentralNet on all devices of a machine, or of several processes and machines.

    python examples/distributed/data_parallel.py             all GPUs of this machine
    python examples/distributed/data_parallel.py --cpus 2    no GPU: the CPU as two devices

Two processes, each with its own devices (on two machines: their addresses, and one line on each):

    python examples/distributed/data_parallel.py --addresses 127.0.0.1:7001,127.0.0.1:7002 --process 0 &
    python examples/distributed/data_parallel.py --addresses 127.0.0.1:7001,127.0.0.1:7002 --process 1

Data: MM-digits (no download). The program is that of one device: batch statistics, dropout and
ModDrop are those of the whole batch. Started again after a kill, all processes go on with the
last whole epoch of --backup, a folder that they share. Half a minute on two CPU cores. Expected:
test accuracy of the central head above 0.94.
"""  # noqa: E501

import argparse
import os

os.environ["KERAS_BACKEND"] = "jax"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpus", type=int, default=0, help="devices of the CPU, instead of GPUs")
    parser.add_argument("--addresses", default="", help="HOST:PORT of every process, with commas")
    parser.add_argument("--process", type=int, default=0, help="number of this process, from 0")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="of all devices together")
    parser.add_argument("--backup", default="runs/data_parallel")
    args = parser.parse_args()
    if args.cpus:  # before JAX looks for devices
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={args.cpus}"

    import jax
    import keras

    import keras_fusion as kf

    processes = len(args.addresses.split(","))
    if processes > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")  # where there is no GPU
        keras.distribution.initialize(args.addresses, processes, args.process)
    devices = keras.distribution.list_devices()
    # Every process reads its own part of the data, so that Keras has nothing to divide.
    distribution = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)  # before the model is built

    data = kf.datasets.mm_digits.load_data()
    keras.utils.set_random_seed(0)  # the same in all processes
    nets = {m: kf.backbones.lenet5((8, 8, 1), name=m) for m in ("image_a", "image_b")}
    model = kf.build_centralnet(nets)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = data["train"]
    mine = slice(args.process, len(y) - len(y) % processes, processes)
    part = {name: array[mine] for name, array in x.items()}, y[mine]
    # Batches have to divide among the devices: a smaller last one is left out.
    batches = kf.datasets.as_pydataset(part, args.batch // processes, seed=0, drop_remainder=True)
    model.fit(
        batches,
        epochs=args.epochs,
        callbacks=[kf.training.BackupAndRestore(args.backup)],
        verbose=2 if args.process == 0 else 0,
    )
    x, y = data["test"]
    part = {name: array[args.process :: processes] for name, array in x.items()}
    scores = model.evaluate(part, y[args.process :: processes], 40, verbose=0, return_dict=True)
    if args.process == 0:
        print(f"{len(devices)} devices, accuracy {scores['central_accuracy']:.3f}")


if __name__ == "__main__":
    main()
