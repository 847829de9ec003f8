"""The dashboard and the participants' pages: server-rendered, and whole without scripts."""

from hub.web.routes import create_web

__all__ = ["create_web"]
