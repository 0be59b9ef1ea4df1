"""Processes that begin at once: a server that has imported everything forks when asked to."""

from __future__ import annotations

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "aiobotocore.session",
        "airflow.models.dag",
        "airflow.providers.amazon.aws.fs.s3",
        "mailpartner_provider.hooks.mailpartner",
        "mailpartner_provider.operators.arguments",
        "s3fs",
        "tests.support.created",
        "tests.support.deadly",
        "tests.support.erasing",
        "tests.support.processes",
        "tests.support.pushing",
        "tests.support.stepwise_iceberg",  # where pyiceberg is installed
    ]
)
