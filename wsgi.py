"""`app` for commands and tests starts no thread; both servers call the factory `serving`."""

from app import create_app

app = create_app()
