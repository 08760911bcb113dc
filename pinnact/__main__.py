"""`python -m pinnact` is the command `pinnact`."""

from pinnact.cli import main

if __name__ == "__main__":
    main()
