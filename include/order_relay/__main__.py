"""``python -m order_relay``: the command line."""

from order_relay.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
