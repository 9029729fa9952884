"""`flask doctor`: is this instance fit to go live? One row a check in `table.py`."""

from app.cli.doctor.command import doctor_command

__all__ = ["doctor_command"]
