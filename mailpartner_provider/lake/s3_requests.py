"""Requests to S3 by the client of an s3fs file system, which has the connection's settings."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Any

from mailpartner_provider.lake.objects import ConditionFailed

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from s3fs import S3FileSystem

Answer = dict[str, Any]

_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "500", "503"}
_DENIED = {"AccessDenied", "403"}
_FAILED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchUpload"}
_MISSING = {"NoSuchKey", "404"}
_READING = {"get_object", "head_object"}


class Missing(Exception):
    """There is no such file."""


class NotImplementedThere(Exception):
    """The store does not know this kind of request."""


class S3Requests:
    """Requests for one bucket, repeated while the store is busy or the connection is lost."""

    def __init__(self, fs: S3FileSystem, bucket: str) -> None:
        self._fs = fs
        self._bucket = bucket

    async def ask(self, method: str, copy: IO[bytes] | None = None, **request: Any) -> Answer:
        """Call a method of the client.

        :param copy: the file to write the body of the answer to
        :raises Missing: there is no such file
        :raises ConditionFailed: the condition of the request does not hold
        :raises NotImplementedThere: the store does not know this kind of request
        :raises OSError: anything else that the store refuses
        """
        from botocore.exceptions import ClientError, IncompleteReadError
        from s3fs.core import S3_RETRYABLE_ERRORS

        for attempt in range(1, self._fs.retries + 1):
            try:
                return await self._ask_once(method, copy, request)
            except (*S3_RETRYABLE_ERRORS, IncompleteReadError):
                if attempt == self._fs.retries:
                    raise
            except ClientError as error:
                if _code(error) not in _BUSY or attempt == self._fs.retries:
                    raise _translate(error, method) from error
            await asyncio.sleep(0.1 * 1.7**attempt)
        raise AssertionError  # the last attempt returns or raises

    async def _ask_once(self, method: str, copy: IO[bytes] | None, request: Answer) -> Answer:
        await self._fs.set_session()
        call = getattr(await self._fs.get_s3(self._bucket), method)
        conditions = {key: request[key] for key in ("IfMatch", "IfNoneMatch") if key in request}
        # s3fs adds what the connection asks for, and leaves out what this client does not know;
        # an old client that knows no conditions has to fail instead.
        arguments = self._fs._get_s3_method_kwargs(call, Bucket=self._bucket, **request)
        body = request.get("Body")
        if body:
            body.seek(0)
        answer: Answer = await call(**{**arguments, **conditions})
        if copy:
            copy.seek(0)
            copy.truncate()
            body = answer["Body"]
            async with body:
                while chunk := await body.read(2**20):
                    copy.write(chunk)
        return answer


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def _translate(error: ClientError, method: str) -> Exception:
    from s3fs.errors import translate_boto_error

    code = _code(error)
    text = str(error.response.get("Error", {}).get("Message") or error)
    if code in _MISSING:
        return Missing(text)
    if code in _FAILED:
        return ConditionFailed(text)
    if code == "NotImplemented":
        return NotImplementedThere(text)
    if code == "NoSuchBucket":
        return OSError(text)
    if code in _DENIED and method in _READING:
        return PermissionError(
            f"{text} (this needs s3:GetObject; and without s3:ListBucket, S3 answers so when there "
            "is no such file, too)"
        )
    other: Exception = translate_boto_error(error, set_cause=False)
    return other
