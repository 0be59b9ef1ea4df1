"""A destination in Azure Blob Storage, by the client of an adlfs file system."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mailpartner_provider.lake.objects import ConditionFailed, ObjectStore
from mailpartner_provider.lake.storage import FileInfo

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob.aio import BlobClient


class AzureFolder(ObjectStore):
    """A folder of a container. A large file is sent in blocks, and appears after the last one.

    Azure removes the blocks of a killed upload after a week.
    """

    scheme = "abfs"
    vendor = (".core.windows.net", ".core.chinacloudapi.cn", ".core.usgovcloudapi.net")

    @property
    def address(self) -> str:
        client = self._fs.service_client
        return f"{client.scheme}://{client.primary_hostname}"  # its URL may hold a signature

    async def _get(self, key: str, copy: IO[bytes]) -> str | None:
        from azure.core.exceptions import ResourceNotFoundError

        async with self._client(key) as client:
            try:
                content = await client.download_blob(max_concurrency=1)
                await content.readinto(copy)
            except ResourceNotFoundError as error:
                _check_container(error)
                return None
        return _version(content.properties.etag)

    async def _head(self, key: str) -> FileInfo | None:
        from azure.core.exceptions import ResourceNotFoundError

        async with self._client(key) as client:
            try:
                found = await client.get_blob_properties()
            except ResourceNotFoundError as error:
                _check_container(error)
                return None
        return FileInfo(found.size, _version(found.etag))

    async def _list(self, prefix: str) -> dict[str, FileInfo]:
        async with self._fs.service_client.get_container_client(self._bucket) as client:
            return {
                found.name: FileInfo(found.size, _version(found.etag))
                async for found in client.list_blobs(name_starts_with=prefix)
            }

    async def _put(self, key: str, file: Path, expected: str | None) -> str:
        with file.open("rb") as content:
            answer = await self._ask_if(
                expected,
                key,
                "upload_blob",
                data=content,
                length=file.stat().st_size,
                overwrite=expected is not None,
                max_concurrency=1,  # each takes memory
                metadata={"is_directory": "false"},  # as adlfs has it
            )
        return _version(answer["etag"])

    async def _delete(self, key: str, expected: str) -> None:
        await self._ask_if(expected, key, "delete_blob")

    async def _ask_if(self, expected: str | None, key: str, method: str, **request: Any) -> Any:
        """Call a method of the client if the file has the expected version."""
        from azure.core import MatchConditions
        from azure.core.exceptions import (
            ResourceExistsError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        if expected is not None:
            request["etag"] = f'"{expected}"'
            request["match_condition"] = MatchConditions.IfNotModified
        async with self._client(key) as client:
            try:
                return await getattr(client, method)(**request)
            except ResourceNotFoundError as error:
                _check_container(error)
                raise ConditionFailed("there is no such file") from error
            except (ResourceExistsError, ResourceModifiedError) as error:
                raise ConditionFailed(str(error)) from error

    def _client(self, key: str) -> BlobClient:
        return self._fs.service_client.get_blob_client(self._bucket, key)


def _check_container(error: HttpResponseError) -> None:
    """Raise an error if the container is missing, not only the file."""
    if error.error_code == "ContainerNotFound":
        raise OSError("The specified container does not exist") from error


def _version(etag: str) -> str:
    return etag.strip('"')
