"""`python -m trifold`: the same as the `trifold` command."""

from trifold.cli.main import main

if __name__ == "__main__":
    main()
