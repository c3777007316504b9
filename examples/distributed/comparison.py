"""One comparison whose runs are spread over processes, GPUs or machines.

    python examples/distributed/comparison.py                 one run after the other
    python examples/distributed/comparison.py --processes 2   two at a time
    python examples/distributed/comparison.py --gpus 4        one worker for each GPU of a machine
    python examples/distributed/comparison.py --dask          Dask on this machine's cores
    python examples/distributed/comparison.py --dask tcp://SCHEDULER:8786
    python examples/distributed/comparison.py --shard 0 7     runs 0, 7, 14, ... alone
    python examples/distributed/comparison.py --report        the table of what is there

`comparison.sbatch` and `comparison.yaml` give a shard to every task of a Slurm array, to every pod
of a Kubernetes Job. Data: MM-digits (no download). Started again, in whatever way, it trains only
what is not yet in the folder --results. 21 runs, about 4 minutes on two CPU cores.
"""

import argparse
import functools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

# A worker loads this file before it knows its GPU: Keras is imported inside the functions.


def make_backbones():
    import keras_fusion as kf

    return {view: kf.backbones.lenet5((8, 8, 1), name=view) for view in ("image_a", "image_b")}


def take_gpu(numbers):
    os.environ["CUDA_VISIBLE_DEVICES"] = numbers.get()


def make_pool(processes, gpus=()):
    """A new pool; `compare` asks for another one where a worker has died."""
    spawn = multiprocessing.get_context("spawn")
    if not gpus:
        return ProcessPoolExecutor(processes, spawn)
    numbers = spawn.SimpleQueue()
    for gpu in gpus:
        numbers.put(gpu)
    return ProcessPoolExecutor(processes, spawn, initializer=take_gpu, initargs=(numbers,))


def executor(args):
    """A function that makes an executor, or `None`: one run after the other."""
    if args.dask is not None:
        from distributed import Client

        client = Client(args.dask) if args.dask else Client(threads_per_worker=1)
        return client.get_executor
    if args.gpus:
        # This process draws the first weights, on a GPU: it leaves room for the worker there.
        os.environ |= {
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(args.gpus))))
        return functools.partial(make_pool, args.gpus, gpus.split(",")[: args.gpus])
    return functools.partial(make_pool, args.processes) if args.processes else None


def parser():
    made = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    way = made.add_mutually_exclusive_group()
    way.add_argument("--processes", type=int, help="so many workers on this machine")
    way.add_argument("--gpus", type=int, help="so many workers, each with a GPU of its own")
    way.add_argument("--dask", nargs="?", const="", metavar="ADDRESS", help="of a scheduler")
    way.add_argument(
        "--shard", type=int, nargs=2, metavar=("I", "N"), help="every N-th run, from I"
    )
    way.add_argument("--report", action="store_true", help="train nothing, print the table")
    made.add_argument("--results", default="runs/comparison", help="a folder that all share")
    made.add_argument("--methods", nargs="+", help="some of the seven; all by default")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--epochs", type=int, default=8)
    return made


def main():
    args = parser().parse_args()
    pool = executor(args)  # before Keras looks for GPUs
    import keras_fusion as kf

    if not args.report:
        compiled = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
        made = kf.evaluation.baselines(
            make_backbones, compile={"optimizer": "adam", **compiled}, methods=["gmu", "centralnet"]
        )
        kf.evaluation.compare(
            {method: made[method] for method in args.methods or made},
            kf.datasets.mm_digits.load_data,  # a function: every worker loads the data by itself
            seeds=range(args.seeds),
            results=args.results,
            executor=pool,
            shard=args.shard,
            epochs=args.epochs,
            batch_size=64,
        )
    if args.shard is None:
        print(kf.evaluation.Comparison.read(args.results))


if __name__ == "__main__":
    main()
