"""A bucket in a real S3 server on loopback, as a mapping from names to bytes."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.support.front import Front

KEY = "made-up-key"
SECRET = "made-up-secret"
REGION = "eu-west-3"


class Bucket(Front, MutableMapping[str, bytes]):
    """One bucket."""

    def __init__(self, name: str) -> None:
        super().__init__(DomainDispatcherApplication(create_backend_app))
        self.name = name
        self._client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    @property
    def connection(self) -> dict[str, Any]:
        """Airflow's connection to it."""
        extra = {"endpoint_url": self.url, "region_name": REGION}
        return {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra}

    def __enter__(self) -> Bucket:
        super().__enter__()
        place = {"LocationConstraint": REGION}
        self._client.create_bucket(Bucket=self.name, CreateBucketConfiguration=place)
        return self

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._client.get_object(Bucket=self.name, Key=name)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            raise KeyError(name) from None

    def __setitem__(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=name, Body=content)

    def __delitem__(self, name: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=name)

    def __iter__(self) -> Iterator[str]:
        listed = self._client.list_objects_v2(Bucket=self.name)
        return (each["Key"] for each in listed.get("Contents", []))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def clear(self) -> None:
        """Remove all files, and all uploads that were not ended."""
        while names := list(self):
            objects = [{"Key": name} for name in names]
            self._client.delete_objects(Bucket=self.name, Delete={"Objects": objects})
        for each in self._uploads():
            self._client.abort_multipart_upload(
                Bucket=self.name, Key=each["Key"], UploadId=each["UploadId"]
            )

    def uploads(self) -> list[str]:
        """List the names of which parts were uploaded, and not yet put together."""
        return [each["Key"] for each in self._uploads()]

    def _uploads(self) -> list[dict[str, Any]]:
        listed = self._client.list_multipart_uploads(Bucket=self.name)
        return listed.get("Uploads", [])
