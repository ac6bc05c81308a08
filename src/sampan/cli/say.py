"""Lines to people: what was asked for on stdout, everything else on stderr."""

import sys


def say(*texts: object) -> None:
    sys.stdout.write(" ".join(map(str, texts)) + "\n")


def complain(*texts: object) -> None:
    sys.stdout.flush()  # in the order in which things were said, also when both go to one file
    sys.stderr.write(" ".join(map(str, texts)) + "\n")
