"""The command line: one module a command, each a thin layer over the library.

In: arguments. Out: data on stdout, progress and errors on stderr, an exit status:

    0  done
    1  an error, said in one sentence
    2  wrong arguments
    3  done, but some inputs were set aside; each is named on stderr
    130  interrupted; 128 more than the signal's number where another one ended it

Law: nothing heavy is imported before a command runs, and nobody ever sees a traceback unless the environment
variable FEDKEYS_DEBUG asks for it.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    try:
        from fedkeys.cli.app import run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
