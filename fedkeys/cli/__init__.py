"""The command line: one module a command, each a thin layer over the library.

In: arguments. Out: data on stdout, progress and errors on stderr, an exit status:

    0  done
    1  an error, said in one sentence
    2  wrong arguments
    3  done, but some inputs were set aside; each is named on stderr
    130  interrupted

Law: nothing heavy is imported before a command runs, and nobody ever sees a traceback unless the environment
variable FEDKEYS_DEBUG asks for it.
"""

from fedkeys.cli.app import main

__all__ = ["main"]
