"""The `genomicslearning` command. Each command imports its room when it runs, so that `--help` answers at once."""

from genomicslearning.cli.app import main

__all__ = ["main"]
