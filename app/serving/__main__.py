"""What `make run` starts: set up, say where it is, serve."""

from app.serving.run import main

main()
