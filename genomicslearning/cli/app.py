"""The `genomicslearning` command. Each command imports its room when it runs, so that `--help` answers at once."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from genomicslearning import InputError, __version__
from genomicslearning.cli import annotate, aws, data, models, plain, runs
from genomicslearning.cli.common import Printable, Without, keep_freed_memory, work_without_blas
from genomicslearning.io.text import first_line, one_line


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


VersionFlag = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


def _root(version: VersionFlag = False) -> None:
    pass


# In the order of `--help`.
_COMMANDS = {
    command.__name__.replace("_", "-"): command
    for command in (
        runs.run, runs.parameters, runs.report, runs.compare, runs.notebooks, runs.doctor,
        annotate.annotate, data.training_set, data.vcf_to_parquet, data.tsv_to_parquet, data.fetch,
        aws.deploy, aws.status, aws.teardown,
        data.watchlist, data.changes, models.serve, models.predict, models.package, aws.endpoints,
    )
}  # fmt: skip


def application(*names: str) -> typer.Typer:
    """The command with the subcommands of these names: to set one up takes a millisecond, and one is called."""
    made = typer.Typer(
        name="genomicslearning",
        help=__import__("genomicslearning").__doc__,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    for name in names:
        made.command(name, cls=runs.RunCommand if name == "run" else None)(_COMMANDS[name])
    return made


app = application(*_COMMANDS)


def _pair(arguments: list[str]) -> list[str]:
    """Write papermill's `-p KEY VALUE` as the one word `KEY=VALUE`, since a repeated option takes one word."""
    words, paired = iter(arguments), []
    for word in words:
        paired.append(word)
        if word in ("-p", "--parameter"):
            key = next(words, "")
            value = None if "=" in key else next(words, None)
            if "=" not in key and value is None:
                raise InputError(f"{word} takes a name and a value, such as: {word} seed=201")
            paired.append(key if value is None else f"{key}={value}")
    return paired


def _asked(arguments: list[str]) -> Callable[[], None]:
    """What is to be run."""
    if convert := plain.conversion(arguments):
        return convert
    called = application(arguments[0]) if arguments and arguments[0] in _COMMANDS else app
    return partial(called, _pair(arguments) if arguments[:1] == ["run"] else None)


def main() -> None:
    """Run the command; bad arguments and bad input exit 2 with one line on stderr, anything else exits 1."""
    sys.stdout, sys.stderr = Printable(sys.stdout), Printable(sys.stderr)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # Told to end, a command tidies up as it does when it is interrupted.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # At the end all memory goes at once: a search for what refers to itself takes as long as importing NumPy.
    atexit.register(gc.freeze)
    converts = not plain.CONVERSIONS.keys().isdisjoint(sys.argv[1:2])
    if converts:
        keep_freed_memory()
    if converts or sys.argv[1:2] == ["training-set"]:
        work_without_blas()
    sys.meta_path.insert(0, Without("rfc3987_syntax", "papermill.s3", *(["pandas"] if converts else [])))
    try:
        for argument in sys.argv[1:]:
            if not argument.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in argument):
                raise InputError(f"{argument}: is not UTF-8; rename the file")
        _asked(sys.argv[1:])()
    except InputError as problem:
        _fail(problem, 2)
    except MemoryError:
        _fail("not enough memory; give the machine more, or less at a time", 1)
    except ChildProcessError as problem:
        _fail(problem, 1)
    except OSError as problem:  # a disk that is full or gone, a folder without rights
        where = f"{problem.filename}: " if problem.filename else ""
        _fail(f"{where}{problem.strerror or first_line(problem)}; nothing more was written", 2)


def _fail(why: object, code: int) -> None:
    print(f"genomicslearning: {one_line(why)}", file=sys.stderr)
    sys.exit(code)
