"""PyPI's gcp-storage-emulator with what it lacks, as `_gcs.py PORT`.

Of the emulator are the routes, buckets, the start of uploads, the resources of objects and their checksums. Here are
conditions, generations, pages, ranges, resumed uploads, errors in Google's form, and connections that stay open.
"""

import base64
import datetime
import email.message
import email.parser
import hashlib
import http.server
import json
import re
import sys
import threading
import traceback
import types
import urllib.parse
from collections import namedtuple
from http import HTTPStatus

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.exceptions import BadRequest, Conflict, NotFound
from gcp_storage_emulator.gcs_glob import gcs_glob_match
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.storage import Storage

# Parts of a resumable upload but the last have to be multiples of this.
GRAIN = 256 << 10
# Requests change things one after another.
LOCK = threading.RLock()

Status = namedtuple("Status", ["value", "phrase"])
CANCELLED = Status(499, "Client Closed Request")


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status, message=""):
        super().__init__(message)
        self.status = status


# Storage


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
        # By upload id: what has arrived, the query that began it, and the object that it became.
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


def merge(resource, properties):
    """Writes properties into a resource; null removes. The emulator's counts a new metageneration at every upload."""
    for key in objects._WRITABLE_FIELDS:
        if key not in (properties or {}):
            continue
        value = properties[key]
        if key == "metadata" and value is not None:
            value = {**(resource.get(key) or {}), **value}
            value = {name: text for name, text in value.items() if text is not None}
        if value is None:
            resource.pop(key, None)
        else:
            resource[key] = value
    return resource


objects._patch_object = merge
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
        source, _ = storage.find(bucket, name, first(request, "sourceGeneration"))
        check(request.query, "ifSource", source)
        check(request.query, "if", storage.live(request.params["dest_bucket_name"], request.params["dest_object_id"]))
    elif handler is objects.insert:
        check(request.query, "if", storage.live(bucket, upload_name(request)))
    elif handler is objects.compose:
        check(request.query, "if", storage.live(bucket, name))
    elif handler in (objects.get, objects.download):
        resource, _ = storage.find(bucket, name, first(request, "generation"))
        check(request.query, "if", resource, same=HTTPStatus.NOT_MODIFIED)
    elif handler in (objects.delete, objects.patch):
        resource, _ = storage.find(bucket, name, first(request, "generation"))
        check(request.query, "if", resource)


def upload_name(request):
    data = request.data if isinstance(request.data, dict) else {}
    return first(request, "name") or data.get("meta", data).get("name")


# Handlers that stand in for the emulator's


def get(request, response, storage):
    if first(request, "alt") == "media":
        return download(request, response, storage)
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    response.json(storage.find(bucket, name, first(request, "generation"))[0])


def download(request, response, storage):
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    resource, content = storage.find(bucket, name, first(request, "generation"))
    size = len(content)
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
        response[f"x-goog-meta-{key}"] = str(value)
    wanted = re.fullmatch(r"\s*bytes=(\d*)-(\d*)\s*", request.get_header("Range", ""))
    if wanted and any(wanted.groups()):
        begin, end = wanted.groups()
        if begin:
            begin, end = int(begin), min(size, int(end) + 1) if end else size
        else:
            begin, end = max(0, size - int(end)), size
        if begin >= min(end, size):
            response["Content-Range"] = f"bytes */{size}"
            raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "the range is beyond the object")
        response.status = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        # A view, since a range may be most of a large object.
        content = memoryview(content)[begin:end]
    response.write_file(content, content_type=resource.get("contentType"))


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
    bucket, name, generation = request.params["bucket_name"], request.params["object_id"], first(request, "generation")
    if generation:
        storage.delete_generation(bucket, name, generation)
    else:
        storage.delete_file(bucket, name)
    response.status = HTTPStatus.NO_CONTENT


def patch(request, response, storage):
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    resource, _ = storage.find(bucket, name, first(request, "generation"))
    merge(resource, request.data)
    resource["metageneration"] = str(int(resource["metageneration"]) + 1)
    resource["updated"], resource["etag"] = now(), etag(resource)
    response.json(resource)


def copy(request, response, storage):
    source, content = storage.find(
        request.params["bucket_name"], request.params["object_id"], first(request, "sourceGeneration")
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
    resource = create(request, storage, bucket, name, b"".join(content for _, content in parts), properties)
    # Google knows no MD5 of a composed object.
    del resource["md5Hash"]
    resource["componentCount"] = sum(part.get("componentCount", 1) for part, _ in parts)
    response.json(resource)


def insert(request, response, storage):
    if upload_name(request) is None:
        raise BadRequest("an object has a name")
    objects.insert(request, response, storage)
    if "Location" in response._headers:
        location = urllib.parse.urlsplit(response["Location"])
        storage.begun[urllib.parse.parse_qs(location.query)["upload_id"][0]] = request.query


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
    arrived, start, total = storage.arrived.setdefault(upload, bytearray()), span["start"], span["total"]
    if start is not None:
        last = total is not None and start + len(chunk) >= total
        if start > len(arrived) or (not last and len(chunk) % GRAIN):
            raise BadRequest(f"{header} of {len(chunk)} bytes, when {len(arrived)} have arrived")
        # What has arrived before is not looked at again.
        arrived += memoryview(chunk)[len(arrived) - start :]
    if total is None or len(arrived) < total:
        response.status = objects.GoogleHTTPStatus.RESUME_INCOMPLETE
        # Without the header, nothing has arrived.
        if arrived:
            response["Range"] = f"bytes=0-{len(arrived) - 1}"
        return
    forget(storage, upload)
    # Again: somebody may have been faster.
    check(storage.begun[upload], "if", storage.live(resource["bucket"], resource["name"]))
    for kind, value in re.findall(r"(crc32c|md5)=([^,\s]+)", request.get_header("x-goog-hash", "")):
        resource["crc32c" if kind == "crc32c" else "md5Hash"] = value
    resource["size"] = str(len(arrived))
    content = bytes(arrived)
    objects._checksums(content, resource)
    storage.create_file(resource["bucket"], resource["name"], content, resource)
    storage.finished[upload] = resource
    response.json(resource)


def cancel_upload(request, response, storage):
    storage.get_resumable_file_obj(first(request, "upload_id"))
    forget(storage, first(request, "upload_id"))
    response.status = CANCELLED


def forget(storage, upload):
    storage.arrived.pop(upload, None)
    storage.delete_resumable_file_obj(upload)


def insert_bucket(request, response, storage):
    buckets.insert(request, response, storage)
    name = request.data.get("name")
    if response.status == HTTPStatus.OK:
        response.json({**buckets._patch_bucket(storage.buckets[name], request.data), "metageneration": "1"})


def delete_bucket(request, response, storage):
    buckets.delete(request, response, storage)
    if response.status == HTTPStatus.OK:
        response.status = HTTPStatus.NO_CONTENT


def batch(request, response, storage):
    """Several requests in one. Each is answered as if it were alone."""
    boundary = f"batch_{hashlib.md5(request.data).hexdigest()}"
    answers = []
    for part in parts_of(request.get_header("Content-Type"), request.data):
        outer, text = headers_of(part)
        line, _, rest = text.partition(b"\r\n")
        method, path, *_ = line.decode().split(" ")
        headers, body = headers_of(rest)
        inner = types.SimpleNamespace(path=path, headers=headers, server=request._request_handler.server)
        answer = answer_to(inner, method, body, storage)
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
ROUTES = [(re.compile(pattern, re.DOTALL), handlers) for pattern, handlers in emulator.HANDLERS]
for _, handlers in ROUTES:
    if objects.upload_partial in handlers.values():
        handlers["DELETE"] = cancel_upload

REASONS = {304: "notModified", 400: "invalid", 404: "notFound", 409: "conflict", 412: "conditionNotMet"}


# HTTP


def answer_to(handler, method, body, storage):
    request, response = emulator.Request(handler, method), emulator.Response(handler)
    message = ""
    try:
        request._data = parsed(request, body)
        with LOCK:
            route(request, response, storage)
    except Refused as refusal:
        response.status, message = refusal.status, str(refusal)
    except NotFound as error:
        response.status, message = HTTPStatus.NOT_FOUND, str(error)
    except (BadRequest, Conflict, ValueError) as error:
        response.status, message = HTTPStatus.BAD_REQUEST, str(error)
    except Exception:
        traceback.print_exc()
        response.status = HTTPStatus.INTERNAL_SERVER_ERROR
    status = response.status.value
    if status >= 400 and status != 499 and not response._content:
        message = message or response.status.phrase
        error = {"domain": "global", "reason": REASONS.get(status, "other"), "message": message}
        response.json({"error": {"code": status, "message": message, "errors": [error]}})
    return response


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
        return {"meta": json.loads(about[1]), "content": content[1], "content-type": content_type}
    if content_type.startswith("application/json"):
        return json.loads(body) if body else None
    return body


def parts_of(content_type, body):
    header = email.message.Message()
    header["Content-Type"] = content_type
    line = b"--" + header.get_boundary().encode()
    end = body.index(line) + len(line)
    while body[end : end + 2] != b"--":
        start, end = end + 2, body.index(b"\r\n" + line, end)
        yield body[start:end]
        end += 2 + len(line)


def headers_of(part):
    """Headers and what follows them; there may be none."""
    if part.startswith(b"\r\n"):
        return email.message.Message(), part[2:]
    head, _, rest = part.partition(b"\r\n\r\n")
    return email.parser.BytesHeaderParser().parsebytes(head), rest


class Handler(http.server.BaseHTTPRequestHandler):
    # Connections stay open, and no small answer waits for an acknowledgement.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        # Google's clients name Google here, wherever they connect to; addresses in answers are made of it.
        del self.headers["Host"]
        body = self.body()
        method = self.headers.get("X-HTTP-Method-Override", self.command)
        response = answer_to(self, method, body, self.server.storage)
        # Not kept while the answer is sent.
        del body
        if response.status.value in (204, 304):
            response._content = ""
        response.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Many connect at once.
    request_queue_size = 1024


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    server.storage = Memory()
    server.serve_forever()
