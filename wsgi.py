"""`app` for commands and tests starts no thread; both servers call the factory `serving`."""

from flask import Flask

from app import create_app

app = create_app()


def serving() -> Flask:
    """The app with its threads running: once per worker process."""
    from app.serving import parent_watch, threads

    parent_watch.end_with_parent()
    threads.start(app)
    return app
