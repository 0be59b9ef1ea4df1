"""A destination in S3, or in a store with the same API."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mailpartner_provider.lake.objects import ConditionFailed, ObjectStore
from mailpartner_provider.lake.s3_requests import Answer, Missing, NotImplementedThere, S3Requests
from mailpartner_provider.lake.storage import FileInfo

if TYPE_CHECKING:
    from s3fs import S3FileSystem

log = logging.getLogger(__name__)

_MOST_PARTS = 10_000


class S3Folder(ObjectStore):
    """A folder of a bucket."""

    scheme = "s3"
    vendor = (".amazonaws.com", ".amazonaws.com.cn")

    #: The most that one PUT takes, which needs no memory and leaves nothing behind when killed.
    put_bytes = 5 * 2**30
    #: How much of a larger file is sent at once.
    part_bytes = 16 * 2**20

    def __init__(self, fs: S3FileSystem, bucket: str, root: str) -> None:
        bucket, root, _ = fs.split_path(f"{bucket}/{root}")  # of an access point, in its own way
        super().__init__(fs, bucket, root)
        self._ask = S3Requests(fs, bucket).ask

    @property
    def address(self) -> str:
        return str(self._fs.s3.meta.endpoint_url)

    async def _get(self, key: str, copy: IO[bytes]) -> str | None:
        with suppress(Missing):
            return _version(await self._ask("get_object", copy, Key=key))
        return None

    async def _head(self, key: str) -> FileInfo | None:
        with suppress(Missing):
            answer = await self._ask("head_object", Key=key)
            return FileInfo(answer["ContentLength"], _version(answer))
        return None

    async def _list(self, prefix: str) -> dict[str, FileInfo]:
        found = {}
        next_page: Answer = {}
        while True:
            answer = await self._ask("list_objects_v2", Prefix=prefix, **next_page)
            for each in answer.get("Contents", []):
                found[each["Key"]] = FileInfo(each["Size"], _version(each))
            if not answer.get("IsTruncated"):
                return found
            next_page = {"ContinuationToken": answer["NextContinuationToken"]}

    async def _put(self, key: str, file: Path, expected: str | None) -> str:
        with file.open("rb") as content:
            if self._is_large(file):
                return await self._put_parts(key, content, file.stat().st_size, expected)
            return await self._ask_if(expected, "put_object", Key=key, Body=content)

    async def _delete(self, key: str, expected: str) -> None:
        await self._ask_if(expected, "delete_object", Key=key)

    async def _remove(self, files: Mapping[str, str]) -> None:
        # Other stores may ignore the ETags of this request, or not know it.
        if len(files) == 1 or not self._is_vendor():
            await super()._remove(files)
            return
        names = {self._prefix + name: name for name in files}
        objects = [{"Key": key, "ETag": f'"{files[name]}"'} for key, name in names.items()]
        request = self._ask("delete_objects", Delete={"Objects": objects, "Quiet": True})
        answer = await self._named("remove", "", request)
        for refused in answer.get("Errors", []):  # once more on its own, as S3 may have been busy
            name = names[refused["Key"]]
            await self._remove_one(name, files[name])

    async def _ask_if(self, expected: str | None, method: str, **request: Any) -> str:
        """Call a method of the client if the file has the expected version; return the new one."""
        condition: Answer = {"IfNoneMatch": "*"}
        if expected is not None:
            condition = {"IfMatch": f'"{expected}"'}
        try:
            if self._is_conditional(expected) is not False:
                with suppress(NotImplementedThere):
                    return _version(await self._ask(method, **request, **condition))
                self._distrust(expected)
            return _version(await self._ask(method, **request))
        except Missing as error:
            raise ConditionFailed(str(error)) from error

    def _is_large(self, file: Path) -> bool:
        return file.stat().st_size > self.put_bytes

    async def _put_parts(
        self, key: str, content: IO[bytes], size: int, expected: str | None
    ) -> str:
        await self._abort_leftovers(key)
        created = await self._ask("create_multipart_upload", Key=key)
        upload: Answer = {"Key": key, "UploadId": created["UploadId"]}
        parts: list[Answer] = []
        try:
            while part := content.read(max(self.part_bytes, -(-size // _MOST_PARTS))):
                number: Answer = {"PartNumber": len(parts) + 1}
                answer = await self._ask("upload_part", **upload, **number, Body=BytesIO(part))
                parts.append({**number, "ETag": answer["ETag"]})
            return await self._ask_if(
                expected, "complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with suppress(Exception):  # the next upload of this name does it
                await self._ask("abort_multipart_upload", **upload)
            raise

    async def _abort_leftovers(self, key: str) -> None:
        """Abort uploads of a file whose landings were killed; their parts would be kept, unseen."""
        try:
            answer = await self._ask("list_multipart_uploads", Prefix=key)
            for each in answer.get("Uploads", []):
                if each["Key"] == key:
                    with suppress(ConditionFailed):  # it has ended
                        await self._ask(
                            "abort_multipart_upload", Key=key, UploadId=each["UploadId"]
                        )
        except PermissionError as error:
            log.warning(
                "Cannot abort unfinished uploads of %s in %s: %s. Grant "
                "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload, or add the lifecycle "
                "rule AbortIncompleteMultipartUpload",
                key,
                self._bucket,
                error,
            )


def _version(answer: Answer) -> str:
    return str(answer.get("ETag", "")).strip('"')
