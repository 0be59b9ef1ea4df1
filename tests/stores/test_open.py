"""What may be written as a destination, and where it leads."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.hooks.storage import open_destination


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("/lake/u", "file:///lake/u/x"),
        ("/lake//u/", "file:///lake/u/x"),
        ("/lake/é ?#", "file:///lake/%C3%A9%20%3F%23/x"),
        ("file:///lake/u", "file:///lake/u/x"),
        ("local:///lake/u", "file:///lake/u/x"),
        (" /lake/u\n", "file:///lake/u/x"),
    ],
)
def test_folder(text, uri):
    """An absolute folder, or its URI, is opened as a folder."""
    assert uri == open_destination(text).uri("x")


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("s3://lake", "s3://lake/x"),
        ("s3://lake/", "s3://lake/x"),
        ("s3://aws_default@lake/u", "s3://lake/u/x"),
        ("s3a://lake/u", "s3://lake/u/x"),
        ("s3://lake//u", "s3://lake/u/x"),
        ("s3://lake/a//b///u/", "s3://lake/a/b/u/x"),
        ("s3://lake/été u/100%", "s3://lake/%C3%A9t%C3%A9%20u/100%25/x"),
        (
            "s3://arn:aws:s3:eu-west-3:123456789012:accesspoint/ours/u",
            "s3://arn:aws:s3:eu-west-3:123456789012:accesspoint/ours/u/x",
        ),
    ],
)
def test_bucket(bucket, text, uri):
    """A folder of a bucket is opened as one; a key that many readers would misread is mended."""
    assert uri == open_destination(text).uri("x")


@pytest.mark.parametrize(
    "text",
    ["", "lake/u", "file://lake/u", "file://localhost/u", "local://u", "://u", "file:/u", None],
)
def test_relative(text):
    """What would lie below the worker's current folder is refused."""
    with pytest.raises(WrongArgument, match="^source: expected an absolute local folder or an obj"):
        open_destination(text, "source")


@pytest.mark.parametrize(
    "scheme", ["sftp", "ftp", "http", "https", "smb", "memory", "hdfs", "webhdfs", "nowhere"]
)
def test_unfit(scheme):
    """A store without locks or conditional requests is refused, with those that work."""
    with pytest.raises(WrongArgument, match=f"^destination: {scheme}:// cannot .* s3://"):
        open_destination(f"{scheme}://host/u")


@pytest.mark.parametrize(
    "text", ["s3://lake/u?", "s3://lake/u?versionId=1", "s3://lake/u#", "s3://lake/../u"]
)
def test_misread(text):
    """A key that would be read as another one is refused."""
    with pytest.raises(WrongArgument, match="^destination: .* cannot be part of"):
        open_destination(text)


@pytest.mark.parametrize("text", ["s3://", "s3:///u", "s3://aws_default@/u"])
def test_no_bucket(text):
    """A URI without a bucket is refused."""
    with pytest.raises(WrongArgument, match="names no bucket"):
        open_destination(text)


def test_missing_connection(bucket):
    """A connection that does not exist, such as a misspelt one, is named; without it, Airflow would
    go on to Amazon's own S3."""
    with pytest.raises(
        WrongArgument,
        match="^destination: the connection aws_defualt does not exist: add it in Admin → Connect"
        "ions; outside a task, .* export AIRFLOW_CONN_AWS_DEFUALT",
    ):
        open_destination("s3://aws_defualt@lake/u")


def test_rotated_key(bucket, monkeypatch):
    """A store is opened again once its connection has another key, and only then."""
    first = open_destination("s3://aws_default@lake/u")
    assert first.read("x") is None
    same = open_destination("s3://aws_default@lake/v")
    connection = {**bucket.connection, "login": "another-key"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

    rotated = open_destination("s3://aws_default@lake/u")

    assert first._fs is same._fs
    assert first._fs is not rotated._fs
    assert rotated.read("x") is None


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="the extras are installed")
@pytest.mark.parametrize(
    ("scheme", "extra"), [("gs", "gcs"), ("gcs", "gcs"), ("abfs", "azure"), ("abfss", "azure")]
)
def test_missing_extra(scheme, extra):
    """A store whose file system is not installed names the extra that brings it."""
    with pytest.raises(WrongArgument) as caught:
        open_destination(f"{scheme}://lake/u")

    needs = f"destination: {scheme}:// needs pip install 'mailpartner-provider[{extra}]'"
    assert str(caught.value).startswith(needs)


def test_connection_named(monkeypatch):
    """A connection that cannot be used is named."""
    extra = {"service_config": {"s3": {"signer": "nobody"}}}
    monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps({"conn_type": "aws", "extra": extra}))

    with pytest.raises(WrongArgument, match="s3:// cannot be opened here with the connection ours"):
        open_destination("s3://ours@lake/u")
