"""The command, as `python -m genomicslearning`."""

from genomicslearning.cli import main

main()
