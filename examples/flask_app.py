"""Flask: every line of an error report has the session tag of the request's visitor.

Run ``python examples/flask_app.py``, or any WSGI server: ``gunicorn examples.flask_app:app``.
"""

import os

from flask import Flask

from openreplay_cw_stack.tagging import propagation

propagation.install()
app = Flask(__name__)


@app.post("/orders")
def order() -> str:
    """Take an order."""
    raise ValueError("no stock left")


# Wrap the whole application: Flask logs errors inside it.
app.wsgi_app = propagation.WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]

if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")), threaded=True)
