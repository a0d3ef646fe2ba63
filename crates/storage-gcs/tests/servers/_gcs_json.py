"""The JSON interface: PyPI's gcp-storage-emulator with what it lacks.

Of the emulator are the routes, buckets, the start of uploads and the resources of objects. Here are conditions,
generations, pages, ranges, resumed uploads, limits, and errors in Google's form.
"""

import base64
import datetime
import email.message
import email.parser
import hashlib
import json
import mmap
import re
import tempfile
import threading
import zlib
import traceback
import types
import urllib.parse
from collections import namedtuple
from http import HTTPStatus

import google_crc32c
from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.exceptions import BadRequest, Conflict, NotFound
from gcp_storage_emulator.gcs_glob import gcs_glob_match
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.storage import Storage

# Parts of a resumable upload but the last have to be multiples of this.
GRAIN = 256 << 10
# Requests change things one after another.
LOCK = threading.RLock()

# More than this is kept in a file.
IN_MEMORY = 8 << 20
NAME_MAX, METADATA_MAX = 1024, 8 << 10

Status = namedtuple("Status", ["value", "phrase"])
CANCELLED = Status(499, "Client Closed Request")


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status, message="", reason=None):
        super().__init__(message)
        self.status, self.reason = status, reason


class BadName(BadRequest):
    pass


class TooMuchMetadata(BadRequest):
    pass


# Storage


class Spool:
    """Bytes as they arrive. Many of them are in a file, and not in memory, from the beginning."""

    def __init__(self):
        self.size, self.bytes, self.file = 0, bytearray(), None

    def __len__(self):
        return self.size

    def write(self, data):
        self.size += len(data)
        if self.file is None and self.size > IN_MEMORY:
            self.file = tempfile.TemporaryFile()
            self.file.write(self.bytes)
            self.bytes = None
        if self.file is None:
            self.bytes += data
        else:
            self.file.write(data)

    def contents(self):
        """All of it. A file is gone with the last reference to what is returned."""
        if self.file is None:
            return bytes(self.bytes)
        with self.file:
            self.file.flush()
            return memoryview(mmap.mmap(self.file.fileno(), self.size, access=mmap.ACCESS_READ))


class Checksums:
    def __init__(self):
        self.md5, self.crc32c = hashlib.md5(), google_crc32c.Checksum()

    def update(self, data):
        self.md5.update(data)
        data = memoryview(data)
        for begin in range(0, len(data), 1 << 20):
            # Nothing but bytes is good enough.
            self.crc32c.update(bytes(data[begin : begin + (1 << 20)]))
        return self

    def write_into(self, resource):
        """Refuses if a resource has others."""
        for key, value in [("crc32c", self.crc32c), ("md5Hash", self.md5)]:
            actual = base64.b64encode(value.digest()).decode()
            if resource.get(key) not in (None, "", actual):
                raise Conflict(f"Provided {key} \"{resource[key]}\" doesn't match calculated {key} \"{actual}\".")
            resource[key] = actual
        return resource


class Contents:
    """Bytes by bucket and name. The emulator's own takes `a//b` and `a/b` for one."""

    def __init__(self):
        self.files = {}

    def write_bytes(self, path, content):
        self.files[path] = content

    def read_bytes(self, path):
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def remove_file(self, path):
        if self.files.pop(path, None) is None:
            raise FileNotFoundError(path)

    def remove_tree(self, bucket):
        self.files = {path: content for path, content in self.files.items() if path[0] != bucket}

    def listdir(self, _):
        return {bucket for bucket, _ in self.files}

    def makedirs(self, _):
        pass


class Memory(Storage):
    """Objects, the generations that their buckets keep, and uploads."""

    def __init__(self):
        super().__init__(use_memory_fs=True)
        self._store = Contents()
        # By bucket and name: old generations, each a resource and its content.
        self.archive = {}
        # By upload id: what has arrived and its checksums, the query that began it, and the object that it became.
        self.arrived, self.begun, self.finished = {}, {}, {}

    def _object_path(self, bucket, name):
        return bucket, name

    def _write_config_to_file(self):
        """Would write everything at every change."""

    def _bucket_soft_delete_retention_seconds(self, _):
        return 0

    def live(self, bucket, name):
        return self.objects.get(bucket, {}).get(name)

    def find(self, bucket, name, generation=None):
        """The resource and the content of a generation, by default the live one."""
        live = self.live(bucket, name)
        if live and generation in (None, live["generation"]):
            return live, self.get_file(bucket, name)
        found = self.archive.get((bucket, name), {}).get(generation)
        if found is None:
            raise NotFound
        return found

    def create_file(self, bucket, name, content, resource, file_id=None):
        if bucket in self.buckets:
            self._keep(bucket, name)
        resource["etag"] = etag(resource)
        super().create_file(bucket, name, content, resource, file_id)

    def delete_file(self, bucket, name):
        self._keep(bucket, name)
        super().delete_file(bucket, name)

    def delete_generation(self, bucket, name, generation):
        live = self.live(bucket, name)
        if live and live["generation"] == generation:
            return super().delete_file(bucket, name)
        if self.archive.get((bucket, name), {}).pop(generation, None) is None:
            raise NotFound

    def _keep(self, bucket, name):
        live, versioning = self.live(bucket, name), self.buckets.get(bucket, {}).get("versioning") or {}
        if live and versioning.get("enabled"):
            old = {**live, "timeDeleted": now()}
            self.archive.setdefault((bucket, name), {})[live["generation"]] = old, self.get_file(bucket, name)


def etag(resource):
    # Google's, too, is of the generation and not of the content.
    return base64.b64encode(f"{resource['generation']}/{resource['metageneration']}".encode()).decode()


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# Resources


def check_name(name):
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= NAME_MAX:
        raise BadName(f"The name must be between 1 and {NAME_MAX} bytes of UTF-8.")
    if name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise BadName(f"'{name}' is not a valid object name.")
    if "\r" in name or "\n" in name:
        raise BadName("Disallowed unicode characters present in object name.")


def check_metadata(metadata):
    metadata = metadata or {}
    if sum(len(str(key).encode()) + len(str(value).encode()) for key, value in metadata.items()) > METADATA_MAX:
        raise TooMuchMetadata(f"Custom metadata is limited to {METADATA_MAX} bytes.")


def merge(resource, properties):
    """Writes properties into a resource; null removes. The emulator's counts a new metageneration at every upload."""
    for key in objects._WRITABLE_FIELDS:
        if key not in (properties or {}):
            continue
        value = properties[key]
        if key == "metadata" and value is not None:
            value = {**(resource.get(key) or {}), **value}
            value = {name: text for name, text in value.items() if text is not None}
            check_metadata(value)
        if value is None:
            resource.pop(key, None)
        else:
            resource[key] = value
    return resource


def resource_of(base_url, bucket, name, content_type, size, metadata=None):
    check_name(name)
    resource = emulated_resource(base_url, bucket, name, content_type, size, metadata)
    # Addresses hold names as they have to be in addresses.
    path = f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}"
    resource["selfLink"] = f"{base_url}{path}"
    resource["mediaLink"] = f"{base_url}/download{path}?generation={resource['generation']}&alt=media"
    return resource


emulated_resource = objects._make_object_resource
objects._make_object_resource = resource_of
objects._patch_object = merge
objects._checksums = lambda content, resource: Checksums().update(content).write_into(resource)
# The emulator takes `contentEncoding` in the query for the type.
objects._content_type_from_request = lambda request, default=None: default


def create(request, storage, bucket, name, content, properties):
    content_type = properties.get("contentType") or "application/octet-stream"
    size = str(len(content))
    resource = objects._make_object_resource(request.base_url, bucket, name, content_type, size, properties)
    objects._checksums(content, resource)
    storage.create_file(bucket, name, content, resource)
    return resource


# Conditions


def first(request, name, default=None):
    return request.query.get(name, [default])[0]


def numbered(request, name="generation"):
    """A generation as it is in resources; nothing if none is asked for."""
    value = first(request, name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", value):
        raise BadRequest(f"Invalid value for {name}: {value}")
    return str(int(value))


def check(query, prefix, resource, failed=HTTPStatus.PRECONDITION_FAILED, same=HTTPStatus.PRECONDITION_FAILED):
    """Refuses if the query's conditions do not hold for a resource, or for none."""
    for number in ["Generation", "Metageneration"]:
        actual = int(resource[number.lower()]) if resource else 0
        wanted, unwanted = (query.get(f"{prefix}{number}{kind}") for kind in ["Match", "NotMatch"])
        if wanted and int(wanted[0]) != actual:
            raise Refused(failed, f"{number.lower()} is {actual}")
        if unwanted and int(unwanted[0]) == actual:
            raise Refused(same, f"{number.lower()} is {actual}")


def check_route(handler, request, storage):
    """The conditions of a request, whatever it is for."""
    bucket, name = request.params.get("bucket_name"), request.params.get("object_id")
    if handler in (objects.copy, objects.rewrite):
        source, _ = storage.find(bucket, name, numbered(request, "sourceGeneration"))
        check(request.query, "ifSource", source)
        check(request.query, "if", storage.live(request.params["dest_bucket_name"], request.params["dest_object_id"]))
    elif handler is objects.insert:
        check(request.query, "if", storage.live(bucket, upload_name(request)))
    elif handler is objects.compose:
        check(request.query, "if", storage.live(bucket, name))
    elif handler in (objects.get, objects.download):
        resource, _ = storage.find(bucket, name, numbered(request))
        check(request.query, "if", resource, same=HTTPStatus.NOT_MODIFIED)
    elif handler in (objects.delete, objects.patch):
        resource, _ = storage.find(bucket, name, numbered(request))
        check(request.query, "if", resource)


def upload_name(request):
    data = request.data if isinstance(request.data, dict) else {}
    return first(request, "name") or data.get("meta", data).get("name")


# Handlers that stand in for the emulator's


def get(request, response, storage):
    if first(request, "alt") == "media":
        return download(request, response, storage)
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    response.json(storage.find(bucket, name, numbered(request))[0])


def download(request, response, storage):
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    resource, content = storage.find(bucket, name, numbered(request))
    describe(response, resource, len(content))
    send(request, response, resource, content)


def describe(response, resource, size):
    """The headers that tell of an object."""
    response["x-goog-hash"] = f"crc32c={resource['crc32c']}"
    if resource.get("md5Hash"):
        response["x-goog-hash"] += f",md5={resource['md5Hash']}"
    response["x-goog-generation"] = resource["generation"]
    response["x-goog-metageneration"] = resource["metageneration"]
    response["x-goog-storage-class"] = resource["storageClass"]
    response["x-goog-stored-content-length"] = str(size)
    response["x-goog-stored-content-encoding"] = resource.get("contentEncoding") or "identity"
    response["ETag"] = resource["etag"]
    response["Accept-Ranges"] = "bytes"
    updated = datetime.datetime.fromisoformat(resource["updated"].replace("Z", "+00:00"))
    response["Last-Modified"] = updated.strftime("%a, %d %b %Y %H:%M:%S GMT")
    for header in ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language"]:
        field = header[0].lower() + header[1:].replace("-", "")
        if resource.get(field):
            response[header] = resource[field]
    for key, value in (resource.get("metadata") or {}).items():
        # Other names cannot be a header's.
        if re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", key):
            response[f"x-goog-meta-{key}"] = str(value)


def send(request, response, resource, content):
    """An object's content, or the range of it that is asked for."""
    if resource.get("contentEncoding") == "gzip":
        content, whole = decompressed(request, response, resource, content)
    else:
        whole = False
    span = None if whole else span_of(request.get_header("Range", ""), len(content))
    if span:
        begin, end = span
        if begin >= end:
            response["Content-Range"] = f"bytes */{len(content)}"
            raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "the range is beyond the object")
        response.status = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        # A view, since a range may be most of a large object.
        content = memoryview(content)[begin:end]
    response.write_file(content, content_type=resource.get("contentType") or "application/octet-stream")


def span_of(header, size):
    """Where a range begins and ends; nothing for a header that means nothing, which is as if there were none."""
    wanted = re.fullmatch(r"\s*bytes=(\d*)-(\d*)\s*", header)
    if not wanted or not any(wanted.groups()):
        return None
    begin, end = wanted.groups()
    if not begin:
        return max(0, size - int(end)), size
    if end and int(end) < int(begin):
        return None
    return int(begin), min(size, int(end) + 1) if end else size


def decompressed(request, response, resource, content):
    """For whoever does not accept gzip; then ranges do not count. See Google's page on transcoding."""
    if "gzip" in request.get_header("Accept-Encoding", "") or "no-transform" in resource.get("cacheControl", ""):
        return content, False
    try:
        content = zlib.decompress(content, wbits=31)
    except zlib.error:
        return content, False
    del response._headers["Content-Encoding"]
    response["Warning"], response["Vary"] = "214 UploadServer gunzipped", "Accept-Encoding"
    return content, True


def ls(request, response, storage):
    bucket, prefix, delimiter = request.params["bucket_name"], first(request, "prefix", ""), first(request, "delimiter")
    begin, end, glob = first(request, "startOffset", ""), first(request, "endOffset"), first(request, "matchGlob")
    if bucket not in storage.buckets:
        raise NotFound
    candidates = list(storage.objects.get(bucket, {}).values())
    if first(request, "versions") == "true":
        old = [generations for (of, _), generations in storage.archive.items() if of == bucket]
        candidates += [resource for generations in old for resource, _ in generations.values()]
    # By name and generation; a resource, or None for a prefix.
    rows = {}
    for resource in candidates:
        name = resource["name"]
        # Compared as bytes: UTF-8 orders as code points do.
        if not name.startswith(prefix) or name < begin or (end and name >= end):
            continue
        if glob and not gcs_glob_match(glob, name):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if found:
            rows[prefix + head + delimiter, 0] = None
        if not found or (name == prefix + head + delimiter and first(request, "includeTrailingDelimiter") == "true"):
            rows[name, int(resource["generation"])] = resource
    after = first(request, "pageToken")
    after = tuple(json.loads(base64.urlsafe_b64decode(after))) if after else ("", -1)
    keys = sorted(key for key in rows if key > after)
    limit = max(1, min(int(first(request, "maxResults", 1000)), 1000))
    page = {"kind": "storage#objects"}
    items = [rows[key] for key in keys[:limit] if rows[key]]
    prefixes = [key[0] for key in keys[:limit] if not rows[key]]
    # Google leaves out what is empty.
    page.update({name: shown for name, shown in [("items", items), ("prefixes", prefixes)] if shown})
    if len(keys) > limit:
        page["nextPageToken"] = base64.urlsafe_b64encode(json.dumps(keys[limit - 1]).encode()).decode()
    response.json(page)


def delete(request, response, storage):
    bucket, name, generation = request.params["bucket_name"], request.params["object_id"], numbered(request)
    if generation:
        storage.delete_generation(bucket, name, generation)
    else:
        storage.delete_file(bucket, name)
    response.status = HTTPStatus.NO_CONTENT


def patch(request, response, storage):
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    resource, _ = storage.find(bucket, name, numbered(request))
    merge(resource, request.data)
    resource["metageneration"] = str(int(resource["metageneration"]) + 1)
    resource["updated"], resource["etag"] = now(), etag(resource)
    response.json(resource)


def copy(request, response, storage):
    source, content = storage.find(
        request.params["bucket_name"], request.params["object_id"], numbered(request, "sourceGeneration")
    )
    # Properties in the request take the place of all of the source's.
    properties = request.data or {key: source.get(key) for key in objects._WRITABLE_FIELDS if key != "acl"}
    bucket, name = request.params["dest_bucket_name"], request.params["dest_object_id"]
    response.json(create(request, storage, bucket, name, content, properties))


def rewrite(request, response, storage):
    copy(request, response, storage)
    resource = json.loads(response._content)
    done = {"kind": "storage#rewriteResponse", "done": True, "resource": resource}
    response.json({**done, "totalBytesRewritten": resource["size"], "objectSize": resource["size"]})


def compose(request, response, storage):
    bucket, name, sources = request.params["bucket_name"], request.params["object_id"], request.data["sourceObjects"]
    if not 1 <= len(sources) <= 32:
        raise BadRequest("between 1 and 32 source objects can be composed")
    parts = []
    for source in sources:
        wanted = source.get("objectPreconditions") or {}
        check({key: [value] for key, value in wanted.items()}, "if", storage.live(bucket, source["name"]))
        parts.append(storage.find(bucket, source["name"], source.get("generation") and str(source["generation"])))
    properties = request.data.get("destination") or {}
    if "contentType" not in properties:
        properties["contentType"] = parts[0][0].get("contentType")
    whole = Spool()
    for _, content in parts:
        whole.write(content)
    resource = create(request, storage, bucket, name, whole.contents(), properties)
    # Google knows no MD5 of a composed object.
    del resource["md5Hash"]
    resource["componentCount"] = sum(part.get("componentCount", 1) for part, _ in parts)
    response.json(resource)


def insert(request, response, storage):
    check_name(upload_name(request))
    if first(request, "uploadType") == "media":
        # The emulator's takes no checksum with it.
        expected_in(request, {}, request.data)
    objects.insert(request, response, storage)
    if "Location" in response._headers:
        location = urllib.parse.urlsplit(response["Location"])
        storage.begun[urllib.parse.parse_qs(location.query)["upload_id"][0]] = request.query


def expected_in(request, resource, content=None):
    """Writes the checksums in a request's headers into a resource, and refuses if a content has others."""
    for kind, value in re.findall(r"(crc32c|md5)=([^,\s]+)", ",".join(request.headers_of("x-goog-hash"))):
        resource["crc32c" if kind == "crc32c" else "md5Hash"] = value
    if request.get_header("Content-MD5"):
        resource["md5Hash"] = request.get_header("Content-MD5")
    if resource and content is not None:
        Checksums().update(content).write_into(dict(resource))
    return resource


def upload_part(request, response, storage):
    upload, chunk = first(request, "upload_id"), request.data or b""
    if upload in storage.finished:
        # The answer to the last part may have been lost.
        return response.json(storage.finished[upload])
    resource = storage.get_resumable_file_obj(upload)
    header = request.get_header("Content-Range")
    span = objects._parse_resumable_content_range(header) if header else {"start": 0, "total": len(chunk)}
    if span is None:
        raise BadRequest(f"Content-Range: {header}")
    if upload not in storage.arrived:
        storage.arrived[upload] = Spool(), Checksums()
    arrived, checksums = storage.arrived[upload]
    start, total = span["start"], span["total"]
    if start is not None:
        last = total is not None and start + len(chunk) >= total
        beyond = total is not None and start + len(chunk) > total
        lacks = span.get("end") is not None and span["end"] - start + 1 != len(chunk)
        if start > len(arrived) or beyond or lacks or (not last and len(chunk) % GRAIN):
            raise BadRequest(f"{header} of {len(chunk)} bytes, when {len(arrived)} have arrived")
        # What has arrived before is not looked at again.
        chunk = memoryview(chunk)[len(arrived) - start :]
        arrived.write(chunk)
        checksums.update(chunk)
    if total is None or len(arrived) < total:
        response.status = objects.GoogleHTTPStatus.RESUME_INCOMPLETE
        # Without the header, nothing has arrived.
        if arrived:
            response["Range"] = f"bytes=0-{len(arrived) - 1}"
        return
    begun = storage.begun[upload]
    forget(storage, upload)
    # Again: somebody may have been faster.
    check(begun, "if", storage.live(resource["bucket"], resource["name"]))
    expected_in(request, resource)
    resource["size"] = str(len(arrived))
    checksums.write_into(resource)
    storage.create_file(resource["bucket"], resource["name"], arrived.contents(), resource)
    storage.finished[upload] = resource
    response.json(resource)


def cancel_upload(request, response, storage):
    storage.get_resumable_file_obj(first(request, "upload_id"))
    forget(storage, first(request, "upload_id"))
    response.status = CANCELLED


def forget(storage, upload):
    storage.arrived.pop(upload, None)
    storage.begun.pop(upload, None)
    storage.delete_resumable_file_obj(upload)


def insert_bucket(request, response, storage):
    buckets.insert(request, response, storage)
    name = request.data.get("name")
    if response.status == HTTPStatus.OK:
        response.json({**buckets._patch_bucket(storage.buckets[name], request.data), "metageneration": "1"})


def delete_bucket(request, response, storage):
    name = request.params["bucket_name"]
    if any(of == name and generations for (of, _), generations in storage.archive.items()):
        raise Refused(HTTPStatus.CONFLICT, "The bucket you tried to delete is not empty.")
    buckets.delete(request, response, storage)
    if response.status == HTTPStatus.OK:
        response.status = HTTPStatus.NO_CONTENT


def batch(request, response, storage):
    """Several requests in one. Each is answered as if it were alone."""
    body = bytes(request.data)
    boundary = f"batch_{hashlib.md5(body).hexdigest()}"
    answers = []
    for part in parts_of(request.get_header("Content-Type"), body):
        outer, text = headers_of(part)
        line, _, rest = bytes(text).partition(b"\r\n")
        method, path, *_ = line.decode().split(" ")
        headers, body = headers_of(rest)
        # What they may do is what the whole may, unless they say otherwise.
        if "Authorization" not in headers and request.get_header("Authorization"):
            headers["Authorization"] = request.get_header("Authorization")
        inner = types.SimpleNamespace(path=path, headers=headers, server=request.server)
        answer = answer_to(inner, method, bytes(body), storage)
        shown = "".join(f"{name}: {value}\r\n" for name, value in answer._headers.items())
        answers.append(
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{outer.get('Content-ID', '')[1:]}"
            f"\r\n\r\nHTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n{shown}\r\n{answer._content}\r\n"
        )
    response.write_file("".join(answers) + f"--{boundary}--\r\n", f"multipart/mixed; boundary={boundary}")


INSTEAD = {
    objects.get: get,
    objects.download: download,
    objects.ls: ls,
    objects.delete: delete,
    objects.patch: patch,
    objects.copy: copy,
    objects.rewrite: rewrite,
    objects.compose: compose,
    objects.insert: insert,
    objects.upload_partial: upload_part,
    objects.batch: batch,
    buckets.insert: insert_bucket,
    buckets.delete: delete_bucket,
}
# The others are none of Google's.
ROUTES = [
    (re.compile(pattern, re.DOTALL), dict(handlers))
    for pattern, handlers in emulator.HANDLERS
    if re.match(r"\^(/|\\/)(storage|upload|download|batch)\b", pattern)
]
for _, handlers in ROUTES:
    if objects.upload_partial in handlers.values():
        handlers["DELETE"] = cancel_upload

REASONS = {304: "notModified", 400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "conditionNotMet"}


# HTTP


class Request(emulator.Request):
    def __init__(self, handler, method):
        super().__init__(handler, method)
        self.server, self.raw_path, _ = handler.server, *handler.path.partition("?")[::2]
        # The emulator's takes what follows a semicolon off the path.
        self._parsed_url = urllib.parse.urlsplit(self._full_url)
        self._query = urllib.parse.parse_qs(self._parsed_url.query)
        self._match = None

    def headers_of(self, name):
        return self._request_handler.headers.get_all(name) or []

    @property
    def headers(self):
        return self._request_handler.headers


def answer_to(handler, method, body, storage):
    request, response = Request(handler, method), emulator.Response(handler)
    message, reason = "", None
    try:
        with LOCK:
            # Whoever has a session's address needs nothing more.
            if "upload_id" not in request.query:
                allow(request)
            request._data = parsed(request, body)
            route(request, response, storage)
    except Refused as refusal:
        response.status, message, reason = refusal.status, str(refusal), refusal.reason
    except NotFound as error:
        response.status, message = HTTPStatus.NOT_FOUND, str(error)
    except (BadRequest, Conflict, ValueError) as error:
        response.status, message = HTTPStatus.BAD_REQUEST, str(error)
    except Exception:
        traceback.print_exc()
        response.status = HTTPStatus.INTERNAL_SERVER_ERROR
    status = response.status.value
    if status >= 400 and status != 499 and not response._content:
        if status == 404 and not message:
            message = missing(request, storage)
        fail(request, response, message or response.status.phrase, reason or REASONS.get(status, "other"))
    return response


def allow(request):
    server = request.server
    if not getattr(server, "strict", False):
        return
    may = server.account.rights(request.get_header("Authorization", ""))
    if not may:
        raise Refused(HTTPStatus.UNAUTHORIZED, "Invalid Credentials")
    if may == "read" and request.method != "GET" and not request.path.startswith("/batch"):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "reader does not have access to the Google Cloud Storage resource. Permission denied on resource (or it may "
            "not exist).",
        )


def missing(request, storage):
    params = (request.params if request._match else None) or {}
    bucket, name = params.get("bucket_name"), params.get("object_id")
    if bucket is None:
        return "Not Found"
    if bucket not in storage.buckets:
        return "The specified bucket does not exist."
    return f"No such object: {bucket}/{name}" if name else "Not Found"


def fail(request, response, message, reason):
    code, kept = response.status.value, response._headers.get("Content-Range")
    # Those of an object that is not shown.
    response._headers.clear()
    if kept:
        response["Content-Range"] = kept
    if request.method == "GET" and (first(request, "alt") == "media" or request.path.startswith("/download/")):
        # Not documented, but so it is: in downloads, errors are text.
        if code not in (401, 403):
            return response.write_file(message, "text/html; charset=UTF-8")
    error = {"message": message, "domain": "global", "reason": reason}
    if code == 401:
        response["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
        error.update({"locationType": "header", "location": "Authorization"})
    response.json({"error": {"code": code, "message": message, "errors": [error]}})


def route(request, response, storage):
    for pattern, handlers in ROUTES:
        match = pattern.fullmatch(request.path)
        if match:
            request.set_match(match)
            # Some POST an upload without the prefix for uploads.
            upload = objects.insert if request.method == "POST" and "uploadType" in request.query else None
            handler = handlers.get(request.method, upload)
            if handler is None:
                break
            check_route(handler, request, storage)
            return INSTEAD.get(handler, handler)(request, response, storage)
    raise Refused(HTTPStatus.NOT_IMPLEMENTED, f"{request.method} {request.path}")


def parsed(request, body):
    """What handlers expect as data. The emulator's takes uploaded JSON for its own."""
    content_type = request.get_header("Content-Type", "")
    if "upload_id" in request.query or first(request, "uploadType") == "media":
        return body
    if content_type.startswith("multipart/related"):
        about, content = (headers_of(part) for part in parts_of(content_type, body))
        content_type = content[0].get("Content-Type", "application/octet-stream")
        # Of a small one a copy, so that the rest of the body is not kept as well.
        data = content[1] if len(content[1]) > IN_MEMORY else bytes(content[1])
        return {"meta": json.loads(bytes(about[1])), "content": data, "content-type": content_type}
    if content_type.startswith("application/json"):
        return json.loads(bytes(body)) if body else None
    return body


def parts_of(content_type, body):
    header = email.message.Message()
    header["Content-Type"] = content_type
    line = b"--" + header.get_boundary().encode()
    # What large bodies are in has it, and views do not.
    searched = body.obj if isinstance(body, memoryview) else body
    end = searched.find(line) + len(line)
    while bytes(body[end : end + 2]) != b"--":
        start, end = end + 2, searched.find(b"\r\n" + line, end)
        if end < start:
            raise BadRequest("A multipart body does not end.")
        yield memoryview(body)[start:end]
        end += 2 + len(line)


def headers_of(part):
    """Headers and what follows them; there may be none."""
    part = memoryview(part)
    if bytes(part[:2]) == b"\r\n":
        return email.message.Message(), part[2:]
    size = 1 << 10
    while (end := bytes(part[:size]).find(b"\r\n\r\n")) < 0 and size < len(part):
        size *= 2
    if end < 0:
        end = len(part)
    return email.parser.BytesHeaderParser().parsebytes(bytes(part[:end])), part[end + 4 :]
