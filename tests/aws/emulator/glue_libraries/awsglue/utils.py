"""Glue's parser of job arguments, which a script may import. Options that it was not asked for are Glue's own."""

import argparse


def getResolvedOptions(args, options):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in options:
        parser.add_argument(f"--{name}", required=True)
    known, _ = parser.parse_known_args(args[1:])
    return vars(known)
