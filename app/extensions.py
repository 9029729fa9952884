"""Flask extensions, made here and bound in `create_app`."""

from flask_babel import Babel
from flask_migrate import Migrate
from flask_security import Security
from flask_wtf import CSRFProtect

babel = Babel()
csrf = CSRFProtect()
migrate = Migrate()
security = Security()
