"""What Airflow makes of the provider: its description, its connection form, its secrets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import Mock

import airflow
import jsonschema
import pytest
import requests

from mailpartner_provider import __version__
from mailpartner_provider.get_provider_info import DEFAULT_BASE_URL, get_provider_info
from mailpartner_provider.hooks.connection import key_forms
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.testing.server import StandIn
from tests.support.api import connect
from tests.support.runs import AIRFLOW
from tests.support.sdk import redact

airflow_2 = pytest.mark.skipif(
    AIRFLOW >= (3,), reason="Airflow 3.0 and later have no form of widgets"
)
airflow_3 = pytest.mark.skipif(AIRFLOW < (3,), reason="Airflow 2 has no form made of data")

EXTRAS = {"connect_timeout", "read_timeout", "email_hmac_key", "renamed_from"}


def schema(name):
    return json.loads((Path(airflow.__file__).parent / name).read_text())


class TestInfo:
    def test_runtime(self):
        """The description keeps to the schema to which Airflow holds installed providers."""
        jsonschema.validate(get_provider_info(), schema("provider_info.schema.json"))

    @airflow_3
    def test_source(self):
        """The description keeps to the stricter schema to which Airflow holds its own providers'
        sources, and which alone knows of the connection form."""
        of_a_source = {"state": "ready", "source-date-epoch": 0, "versions": [__version__]}

        jsonschema.validate(get_provider_info() | of_a_source, schema("provider.yaml.schema.json"))


class TestConnectionForm:
    @airflow_2
    def test_of_widgets(self):
        """Airflow 2 shows API key, Base URL and the extras, the secret one as a password."""
        from airflow.providers_manager import ProvidersManager

        providers = ProvidersManager()
        shown = providers.field_behaviours["mailpartner"]
        widgets = {
            name.removeprefix("extra__mailpartner__"): form.field
            for name, form in providers.connection_form_widgets.items()
            if name.startswith("extra__mailpartner__")
        }

        assert "Mail Partner" == providers.hooks["mailpartner"].hook_name
        assert {"password": "API key", "host": "Base URL"} == shown["relabeling"]
        assert {"host": DEFAULT_BASE_URL} == shown["placeholders"]
        assert {"schema", "login", "port", "extra"} == set(shown["hidden_fields"])
        assert EXTRAS == widgets.keys()
        secret = {name for name, field in widgets.items() if "Password" in str(field.field_class)}
        assert {"email_hmac_key"} == secret

    @airflow_3
    def test_of_data(self, without_mocks):
        """Airflow 3 shows API key, Base URL and the extras, the secret one as a password."""
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        forms = {form.connection_type: form for form in HookMetaService.hook_meta_data()}
        form = forms["mailpartner"]
        standard = form.standard_fields

        assert "Mail Partner" == form.hook_name
        assert ("API key", False) == (standard.password.title, standard.password.hidden)
        assert ("Base URL", DEFAULT_BASE_URL) == (standard.host.title, standard.host.placeholder)
        assert standard.login.hidden and standard.port.hidden and standard.url_schema.hidden
        assert EXTRAS == form.extra_fields.keys()
        formats = {name: each["schema"].get("format") for name, each in form.extra_fields.items()}
        assert dict.fromkeys(EXTRAS) | {"email_hmac_key": "password"} == formats

    @pytest.fixture
    def without_mocks(self):
        """Remove the mocks that Airflow leaves for Flask where that is not installed."""
        yield
        for name in [name for name, module in sys.modules.items() if isinstance(module, Mock)]:
            del sys.modules[name]


class TestMask:
    def test_every_form(self, monkeypatch):
        """Airflow's masker hides the key in every form in which a URL can carry it."""
        key = "gehéim/+= %&?#~'(x)"
        with StandIn(key=key) as api:
            connect(monkeypatch, api)
            me = requests.Request("GET", f"{api.url}/me")
            prepared = MailPartnerHook().get_conn().prepare_request(me)

        sent = prepared.url.partition("apiKey=")[2].partition("&")[0]
        assert sent in key_forms(key)
        for form in key_forms(key):
            assert "URL: ?apiKey=***&x" == redact(f"URL: ?apiKey={form}&x")

    def test_email_hmac_key(self, api, monkeypatch):
        """Airflow's masker hides the key for hashed e-mails once that was read."""
        connect(monkeypatch, api, extra={"email_hmac_key": "(.*) clé"})

        assert "(.*) clé".encode() == MailPartnerHook().email_hmac_key()
        assert "key: ***" == redact("key: (.*) clé")
