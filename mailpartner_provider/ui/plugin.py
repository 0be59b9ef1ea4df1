"""The plugin that adds the page "Mail Partner" to the web interface of Airflow 3.

Airflow loads this module in all of its processes, so heavy modules are imported on first request.
"""

from __future__ import annotations

from typing import Any

from mailpartner_provider.compat import AirflowPlugin
from mailpartner_provider.get_provider_info import HOOK_NAME
from mailpartner_provider.operators.links import PREFIX, page_path


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answer requests as an ASGI application, which the first request imports."""
    from mailpartner_provider.ui.application import application

    await application(scope, receive, send)


class MailPartnerPlugin(AirflowPlugin):
    """Adds the page to the menu Browse; Airflow 2 has no place for it."""

    name = "mailpartner"
    fastapi_apps = [{"app": serve, "url_prefix": PREFIX, "name": HOOK_NAME}]
    external_views = [
        {
            "name": HOOK_NAME,
            "href": page_path(),
            "url_route": "mailpartner",
            "destination": "nav",
            "category": "browse",
        }
    ]
