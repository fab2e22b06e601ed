"""The command line as `python -m tamias`."""

from .cli.app import main

if __name__ == "__main__":
    main()
