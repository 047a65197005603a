"""``ragdiag`` itself: which commands there are, and how errors leave the program."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from ragdiag.cli.output import complain, open_closed_streams
from ragdiag.errors import IncomparableError, RagdiagError

EXIT_USAGE = 2
EXIT_INCOMPARABLE = 3
EXIT_INTERRUPTED = 130

# A command's file is imported when it is run, or when its help is asked for.
_COMMANDS = {
    "audit": "Say what is wrong with a vector store.",
    "compare": "Say which similarity a store should rank by.",
    "fix": "Write a repaired store, without embedding a document again.",
    "diff": "Say whether a store got worse between two audits.",
    "explain": "Say why a query brings back what it does.",
    "queries": "Make queries of the stored texts, when you have none.",
    "rule": "Explain a rule, or list them all.",
    "stores": "List what can be opened here.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"ragdiag.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"ragdiag.cli.{cmd_name} has no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            known = f"did you mean {near[0]!r}?" if near else "the commands are " + ", ".join(_COMMANDS)
            raise click.UsageError(f"there is no command {args[0]!r}: {known}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Not stdout's, which `emit` looks after: a store's connection. Click would leave quietly with 1.
            raise click.ClickException(f"a connection was closed: {error.strerror or error}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table above, so that help loads no command.
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ragdiag", prog_name="ragdiag", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find out what is wrong with a vector store.

    ragdiag is to a vector store what a linter is to source code: it says what is wrong with the vectors
    behind a RAG application, how sure that is, what it costs, and what would mend it.

    \b
    Start with
      ragdiag audit faiss:./my_index
      ragdiag audit ./vectors.npy
      ragdiag stores
    """  # noqa: D301  click's \b is the character
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    args : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 clean, 1 findings at or over ``--fail-on``, 2 usage or input error, 3 audits that cannot be
        compared, 130 interrupted. What is
        none of these is a bug of ours and keeps its traceback.
    """
    open_closed_streams()
    try:
        code = cli.main(list(args) if args is not None else None, prog_name="ragdiag", standalone_mode=False)
    except RagdiagError as error:
        from ragdiag.stores.uri import without_credentials

        complain(without_credentials(str(error)))  # an adapter may have repeated what it was given
        if isinstance(error, IncomparableError):
            return EXIT_INCOMPARABLE
    except click.UsageError as error:
        complain(_usage(error))
    except click.ClickException as error:
        complain(error.format_message())
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D; we never ask anything
            raise error.__cause__ from None
        return _interrupted(for_good=args is None)
    except KeyboardInterrupt:
        return _interrupted(for_good=args is None)
    except OSError as error:
        if error.errno is None:
            raise
        complain(_system(error))
    else:
        return code if isinstance(code, int) else 0
    return EXIT_USAGE


def _interrupted(*, for_good: bool) -> int:
    if for_good:  # the process ends: who presses Ctrl-C again must not see it stumble over its last threads
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    complain("interrupted, nothing was written", kind="ragdiag")
    # Python dies of the signal, whatever is returned here, when the last code that ran from text ended by it: that of
    # a dataclass while a library is imported. So some more runs.
    exec("")
    return EXIT_INTERRUPTED


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "ragdiag"
    hint = "" if message.endswith("?") else f" (see '{command} --help')"
    return message[:1].lower() + message[1:] + hint


def _system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}"
