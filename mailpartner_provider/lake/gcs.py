"""A destination in Google Cloud Storage, by the session of a gcsfs file system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from mailpartner_provider.lake.objects import ConditionFailed, ObjectStore
from mailpartner_provider.lake.storage import FileInfo

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from gcsfs import GCSFileSystem

_T = TypeVar("_T")


class GcsFolder(ObjectStore):
    """A folder of a bucket. A file of any size is sent from the disk in one request."""

    scheme = "gs"
    vendor = (".googleapis.com",)

    def __init__(self, fs: GCSFileSystem, bucket: str, root: str) -> None:
        super().__init__(fs, bucket, root)
        self._bucket_exists = False

    @property
    def address(self) -> str:
        return str(self._fs.base).removesuffix("/storage/v1/")

    async def _get(self, key: str, copy: IO[bytes]) -> str | None:
        async def get() -> str:
            copy.seek(0)
            copy.truncate()
            async with self._request("GET", key, alt="media") as answer:
                async for chunk in answer.content.iter_chunked(2**20):
                    copy.write(chunk)
                return str(answer.headers["x-goog-generation"])

        with suppress(FileNotFoundError):
            return await self._again(get)
        await self._check_bucket()
        return None

    async def _head(self, key: str) -> FileInfo | None:
        async def head() -> FileInfo:
            async with self._request("GET", key) as answer:
                return _info(await answer.json())

        with suppress(FileNotFoundError):
            return await self._again(head)
        await self._check_bucket()
        return None

    async def _list(self, prefix: str, **limit: str) -> dict[str, FileInfo]:
        found: dict[str, FileInfo] = {}
        page = {"prefix": prefix, **limit}

        async def list_page() -> str | None:
            async with self._request("GET", **page) as answer:
                listed = await answer.json()
            found.update({each["name"]: _info(each) for each in listed.get("items", [])})
            token: str | None = listed.get("nextPageToken")
            return token

        while token := await self._again(list_page):
            page["pageToken"] = token
        return found

    async def _put(self, key: str, file: Path, expected: str | None) -> str:
        from aiohttp import MultipartWriter

        async def put() -> str:
            condition = {"uploadType": "multipart", "ifGenerationMatch": expected or "0"}
            with MultipartWriter("related") as body, file.open("rb") as content:
                body.append_json({"name": key})
                body.append(content, {"Content-Type": "application/octet-stream"})
                async with self._request("POST", data=body, **condition) as answer:
                    return _info(await answer.json()).version

        return await self._again(put)

    async def _delete(self, key: str, expected: str) -> None:
        async def delete() -> None:
            async with self._request("DELETE", key, ifGenerationMatch=expected):
                pass

        try:
            await self._again(delete)
        except FileNotFoundError as error:
            await self._check_bucket()
            raise ConditionFailed("there is no such file") from error

    async def _check_bucket(self) -> None:
        """Raise an error if the bucket is missing, not only the file."""
        if not self._bucket_exists:
            with suppress(PermissionError):
                await self._list("", maxResults="1")

    async def _again(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """Make a request, and make it again while Google is busy or the connection is lost."""
        from gcsfs.retry import is_retriable

        for attempt in range(1, self._fs.retries):
            try:
                return await request()
            except Exception as error:
                if not is_retriable(error):
                    raise
            await asyncio.sleep(0.5 * 2**attempt)
        return await request()

    @asynccontextmanager
    async def _request(
        self, method: str, key: str | None = None, data: object = None, **params: str
    ) -> AsyncIterator[ClientResponse]:
        """Make a request for a file, or for all of the bucket."""
        await self._fs._set_session()
        service = "/storage/v1/" if data is None else "/upload/storage/v1/"
        file = "" if key is None else f"/{quote(key, safe='')}"
        async with self._fs.session.request(
            method,
            f"{self.address}{service}b/{quote(self._bucket, safe='')}/o{file}",
            data=data,
            params=self._fs._get_params(params),
            headers=self._fs._get_headers(None),
            timeout=self._fs.requests_timeout,
        ) as answer:
            if answer.status >= 400:
                _raise(answer.status, await answer.read(), key)
            self._bucket_exists = True
            yield answer


def _raise(status: int, body: bytes, key: str | None) -> None:
    """Raise the error of an answer."""
    from gcsfs.retry import validate_response

    if status == 404 and key is None:
        raise OSError("The specified bucket does not exist")
    if status == 412:
        raise ConditionFailed("the file is of another generation")
    try:
        validate_response(status, body, "")
    except FileNotFoundError:
        raise
    except OSError as error:  # Forbidden, where the path would be, and the reason below it
        raise PermissionError(
            f"{str(error).splitlines()[-1]} (without storage.objects.list, Google answers so when "
            "there is no such file, too)"
        ) from error


def _info(stored: dict[str, Any]) -> FileInfo:
    return FileInfo(int(stored["size"]), str(stored["generation"]))
