"""The connection form of Airflow 2; Airflow 3 reads the same data from the provider info."""

from __future__ import annotations

from typing import Any

from mailpartner_provider.get_provider_info import CONN_FIELDS, UI_FIELD_BEHAVIOUR


def ui_field_behaviour() -> dict[str, Any]:
    """Return the behaviour of the standard fields."""
    return {name.replace("-", "_"): value for name, value in UI_FIELD_BEHAVIOUR.items()}


def connection_form_widgets() -> dict[str, Any]:
    """Return the widgets of the extra fields."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from wtforms import PasswordField, StringField

    return {
        name: PasswordField(field["label"], widget=BS3PasswordFieldWidget())
        if field["schema"].get("format") == "password"
        else StringField(field["label"], widget=BS3TextFieldWidget())
        for name, field in CONN_FIELDS.items()
    }
