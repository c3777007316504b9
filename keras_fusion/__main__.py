"""The commands: python -m keras_fusion export model.keras out/ --format onnx"""

import argparse
import sys

from keras_fusion.exporting import add_command

COMMANDS = (add_command,)


def main(arguments=None):
    """Runs a command; an error is a line on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m keras_fusion")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
