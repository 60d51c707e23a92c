"""`python -m paymon` is `paymon`."""

from paymon.cli import main

if __name__ == "__main__":
    main()
