"""What `make run` starts: set up, say where it is, serve."""

from app.serving.run import main

if __name__ == "__main__":  # granian's worker imports this file too
    main()
