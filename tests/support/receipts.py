"""A receipt of either kind."""

from __future__ import annotations

from mailpartner_provider.lake.receipts import ChangesReceipt, SnapshotReceipt

RECEIPT = SnapshotReceipt(
    snapshot_date="2026-11-22",
    status="live",
    uri="file:///lake/unsubscribes/dt=2026-11-22/part-00000.parquet",
    rows=3,
    declared=5,
    received=5,
    rejected=1,
    after_cutoff=1,
    null_created_at=1,
    duplicate_ids=0,
    unknown_fields="reason,source",
    min_created_at="2015-07-20T08:19:45Z",
    max_created_at="2025-10-26T00:30:00Z",
    bytes=1234,
    sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    changed=True,
    observed_at="2026-11-22T04:00:00Z",
    duration_seconds=2.345,
    previous_snapshot_date="2026-11-21",
    previous_rows=3,
    timezone="Europe/Paris",
    conn_id="mailpartner_default",
    dag_id="unsubscribes",
    task_id="land_unsubscribes",
    run_id="scheduled__2026-11-22T04:00:00+00:00",
)
CHANGES = ChangesReceipt(
    snapshot_date="2026-11-22",
    previous_snapshot_date="2026-11-21",
    status="live",
    uri="file:///lake/changes/dt=2026-11-22/part-00000.parquet",
    rows=5,
    added=4,
    removed=1,
    changed_records=0,
    bytes=1234,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    changed=True,
    source_uri=RECEIPT.uri,
    source_sha256=RECEIPT.sha256,
    previous_uri=None,
    previous_sha256=None,
    email_mode="plain",
    dag_id=None,
    task_id=None,
    run_id=None,
)
