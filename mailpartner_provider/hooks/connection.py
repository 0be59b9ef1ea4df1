"""An Airflow connection to Mail Partner, and its fields, checked."""

from __future__ import annotations

import html
import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from mailpartner_provider.compat import AirflowNotFoundException
from mailpartner_provider.errors import RequestRefused
from mailpartner_provider.exact_json import utf8_text
from mailpartner_provider.get_provider_info import CONN_FIELDS, CONN_TYPE, DEFAULT_BASE_URL

_DEFAULT_HOST = str(urlsplit(DEFAULT_BASE_URL).hostname)


def find_connection(conn_id: str, get_connection: Callable[[str], Any]) -> Any:
    """Return a connection to Mail Partner.

    :raises RequestRefused: there is none, or it is of another type: its password is no API key
    """
    try:
        connection = get_connection(conn_id)
    except AirflowNotFoundException:
        raise RequestRefused(f"it {missing(conn_id)}", conn_id=conn_id) from None
    if connection.conn_type not in (CONN_TYPE, "", None):
        raise _refused(
            connection,
            f"its type is {connection.conn_type!r}: choose a connection of the type {CONN_TYPE!r}",
        )
    return connection


def missing(conn_id: str) -> str:
    """Return the words for a connection that Airflow does not find, after its name."""
    return (
        "does not exist: add it in Admin → Connections; outside a task, where Airflow 3 does not "
        f"read these, export AIRFLOW_CONN_{conn_id.upper()}"
    )


def read_key(connection: Any) -> str:
    """Read the API key, without the white space around it, which copying may add.

    :raises RequestRefused: there is none
    """
    key = (connection.password or "").strip()
    if not key:
        raise _refused(connection, "there is no API key: enter it as the password")
    return str(key)


def read_base_url(connection: Any) -> str:
    """Read the base URL, without a slash at its end.

    In a connection made from a URI, such as ``mailpartner://:key@host:8443/v1``, the port stands
    beside the host, and the path is the schema.

    :raises RequestRefused: it is no URL of a host, or would show the key to the network
    """
    url = _url(connection)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises an error
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise _refused(connection, "the Base URL (Host) is not the https:// URL of a host")
    if parts.query or parts.fragment:
        raise _refused(connection, "the Base URL (Host) must end with its path, before any ? or #")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise _refused(
            connection,
            "the Base URL (Host) begins with http://, but the API key travels in the URL: use "
            "https:// (http:// is for a loopback host only)",
        )
    return parts.geturl().rstrip("/")


def read_timeouts(connection: Any) -> tuple[float, float]:
    """Read ``connect_timeout`` and ``read_timeout``, in seconds.

    :raises RequestRefused: one of them is no positive number
    """
    return _seconds(connection, "connect_timeout"), _seconds(connection, "read_timeout")


def read_email_hmac_key(connection: Any) -> str:
    """Read ``email_hmac_key``, the key for hashed addresses, unchanged.

    :raises RequestRefused: there is none, or it is no text
    """
    key = connection.extra_dejson.get("email_hmac_key")
    if key is None or key == "":
        raise _refused(connection, "email_mode='hmac' needs a key: enter the extra email_hmac_key")
    if not isinstance(key, str) or utf8_text(key) != key:
        raise _refused(connection, "the extra email_hmac_key is not a text")
    return key


def read_renamed_from(connection: Any) -> str | None:
    """Read ``renamed_from``, the id that the connection had before; None if there is none."""
    return connection.extra_dejson.get("renamed_from") or None


def key_forms(key: str) -> list[str]:
    """List every form in which a URL can carry a key, or a text quote it; the longest first."""
    forms = {key, quote(key, safe=""), quote(key), quote_plus(key)}
    forms |= {quote(form, safe="") for form in forms}  # a URL inside a URL
    forms |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in forms}
    forms |= {html.escape(key), html.escape(key, quote=False)}
    forms |= {cite(form)[1:-1] for form in forms for cite in (json.dumps, repr, ascii)}
    return sorted(forms, key=len, reverse=True)


def _url(connection: Any) -> str:
    """Return the host as a URL, with the port and the path of a connection made from a URI.

    :raises RequestRefused: the host has another port or path
    """
    host, port = (connection.host or "").strip(), connection.port
    schema = (connection.schema or "").strip("/")
    scheme, path = (schema, "") if schema in ("https", "http") else ("https", schema)
    if not (host or port or path):
        return DEFAULT_BASE_URL
    written, separator, rest = (host or _DEFAULT_HOST).rpartition("://")
    authority, _, rest = rest.partition("/")
    if authority.count(":") > 1 and not set("[@") & set(authority):
        authority = f"[{authority}]"  # Airflow reads IPv6 from a URI without the brackets
    found = re.search(":([0-9]+)$", authority)
    if port and found and int(found[1]) != port:
        raise _refused(connection, "Port is not the port of the Base URL (Host): remove one")
    if path and rest.strip("/") not in ("", path):
        raise _refused(connection, "Schema is not the path of the Base URL (Host): remove one")
    if port and not found:
        authority += f":{port}"
    return f"{written if separator else scheme}://{authority}/{rest or path}"


def _seconds(connection: Any, name: str) -> float:
    value = connection.extra_dejson.get(name)
    try:
        seconds = float(CONN_FIELDS[name]["schema"]["default"] if value in (None, "") else value)
    except (TypeError, ValueError):
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise _refused(connection, f"the extra {name} is not a positive number of seconds")
    return seconds


def _refused(connection: Any, message: str) -> RequestRefused:
    return RequestRefused(message, conn_id=connection.conn_id)


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"
