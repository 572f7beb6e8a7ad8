"""`python -m fedkeys` is `fedkeys`."""

from fedkeys.cli import main

main()
