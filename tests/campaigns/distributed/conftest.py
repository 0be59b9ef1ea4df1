"""Forty accounts, and an Airflow that knows them and a bucket."""

from __future__ import annotations

import json

import pytest

from tests.campaigns.distributed.accounts import ACCOUNTS, Accounts
from tests.campaigns.distributed.cluster import cluster

DAG_ID = "mailpartner_many_accounts"


@pytest.fixture(scope="session")
def all_accounts():
    """The API with forty accounts."""
    with Accounts(ACCOUNTS) as api:
        yield api


@pytest.fixture
def accounts_api(all_accounts):
    """The API with forty accounts, of which none has asked."""
    all_accounts.forget()
    return all_accounts


@pytest.fixture(scope="session")
def airflow(all_accounts, lake_bucket, tmp_path_factory):
    """An Airflow without workers, whose connections and variables are in its environment."""
    environment = {
        **all_accounts.connections,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(lake_bucket.connection),
        "AIRFLOW_VAR_MAILPARTNER_ACCOUNTS": json.dumps([each.name for each in ACCOUNTS]),
        "AIRFLOW_VAR_MAILPARTNER_LAKE": "s3://aws_default@lake",
    }
    with cluster(DAG_ID, tmp_path_factory.mktemp("airflow"), **environment) as made:
        yield made
