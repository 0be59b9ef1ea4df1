"""The description of this package for Airflow, with the standard library only: it is read often."""

from __future__ import annotations

from typing import Any

HOOK_NAME = "Mail Partner"
CONN_TYPE = "mailpartner"
DEFAULT_BASE_URL = "https://api.mailpartner.fr/v1"

#: The connection form: data for Airflow 3; for Airflow 2 the hook makes widgets from it.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "login", "port", "extra"],
    "relabeling": {"password": "API key", "host": "Base URL"},
    "placeholders": {"host": DEFAULT_BASE_URL},
}
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "connect_timeout": {
        "label": "Connect time-out (seconds)",
        "schema": {"type": ["number", "null"], "default": 10, "exclusiveMinimum": 0},
    },
    "read_timeout": {
        "label": "Read time-out (seconds)",
        "schema": {"type": ["number", "null"], "default": 60, "exclusiveMinimum": 0},
    },
    "email_hmac_key": {
        "label": "Key for hashed e-mails",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "renamed_from": {
        "label": "Former connection id",
        "schema": {"type": ["string", "null"]},
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the description of the provider, in Airflow's ``provider_info`` schema."""
    hooks = "mailpartner_provider.hooks.mailpartner"
    operators = [
        "mailpartner_provider.operators.unsubscribe_to_parquet",
        "mailpartner_provider.operators.unsubscribe_changes",
        "mailpartner_provider.operators.unsubscribe_to_sql",
        "mailpartner_provider.operators.unsubscribe_to_iceberg",
        "mailpartner_provider.operators.push_unsubscribes",
        "mailpartner_provider.operators.confirm_pushes",
        "mailpartner_provider.operators.delete_unsubscribes",
    ]
    return {
        "package-name": "mailpartner-provider",
        "name": HOOK_NAME,
        "description": "Land Mail Partner's suppression list as dated Parquet partitions.",
        "integrations": [
            {
                "integration-name": HOOK_NAME,
                "external-doc-url": "https://www.docpartner.dev/api/mail-partner",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": HOOK_NAME, "python-modules": [hooks]}],
        "operators": [{"integration-name": HOOK_NAME, "python-modules": operators}],
        "extra-links": ["mailpartner_provider.operators.links.LandedPartitionLink"],
        "connection-types": [
            {
                "connection-type": CONN_TYPE,
                "hook-name": HOOK_NAME,
                "hook-class-name": f"{hooks}.MailPartnerHook",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONN_FIELDS,
            }
        ],
    }
