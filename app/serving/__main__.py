"""What `make run` starts: set up, say where it is, serve."""

from contextlib import suppress

from app.serving.run import main

if __name__ == "__main__":  # granian's worker imports this file too
    with suppress(KeyboardInterrupt):  # Ctrl-C while it is still setting up
        main()
