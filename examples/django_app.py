"""Django in one file. In your project, wrap the applications in ``wsgi.py`` and ``asgi.py``.

Run ``python examples/django_app.py``, ``gunicorn examples.django_app:application``, or
``uvicorn examples.django_app:asgi_application``.
"""

import os
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from openreplay_cw_stack.tagging import propagation


def order(request: HttpRequest) -> HttpResponse:
    """Take an order."""
    raise ValueError("no stock left")


urlpatterns = [path("orders", order)]
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="only an example",  # noqa: S106
    LOGGING={
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django.request": {"handlers": ["console"], "propagate": False}},
    },
)
django.setup()

propagation.install()
application = propagation.WSGIMiddleware(get_wsgi_application())
asgi_application = propagation.ASGIMiddleware(get_asgi_application())

if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), application).serve_forever()
