"""`python -m fitecli` is `fite`."""

from fitecli.cli import main

main()
