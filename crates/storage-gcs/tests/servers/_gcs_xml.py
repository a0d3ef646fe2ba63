"""The XML interface, as far as it is for objects: reading, writing and deleting one, and signed addresses."""

import base64
import binascii
import re
import traceback
import urllib.parse
from http import HTTPStatus
from xml.sax.saxutils import escape

import _gcs_auth as auth
import _gcs_json as api
from gcp_storage_emulator.exceptions import BadRequest, Conflict
from gcp_storage_emulator.server import Response

FAULTS = {
    "AccessDenied": (403, "Access denied."),
    "AuthenticationRequired": (401, "Authentication required."),
    "BadDigest": (400, "The Content-MD5 or x-goog-hash you specified did not match what we received."),
    "ExpiredToken": (400, "The provided token has expired."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidArgument": (400, "Invalid argument."),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidRange": (416, "The requested range cannot be satisfied."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "MalformedSecurityHeader": (400, "Your request has a malformed header."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NotImplemented": (501, "The request has not been implemented yet."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "SignatureDoesNotMatch": (403, "Access denied."),
}
# Whose values an object keeps.
KEPT = ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type"]
META = "x-goog-meta-"


class Fault(Exception):
    def __init__(self, code, details="", more=()):
        super().__init__(details)
        self.code, self.more = code, dict(more)


def answer_to(handler, method, body, storage):
    request, response = api.Request(handler, method), Response(handler)
    try:
        with api.LOCK:
            route(request, response, storage, body)
    except (Fault, auth.Unsigned) as fault:
        fail(response, fault.code, str(fault), fault.more)
    except api.Refused as refusal:
        if refusal.status == HTTPStatus.NOT_MODIFIED:
            response.status = refusal.status
        else:
            ranged = refusal.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            fail(response, "InvalidRange" if ranged else "PreconditionFailed", str(refusal))
    except api.TooMuchMetadata as error:
        fail(response, "MetadataTooLarge", str(error))
    except Conflict as error:
        fail(response, "BadDigest", str(error))
    except (BadRequest, ValueError) as error:
        fail(response, "InvalidArgument", str(error))
    except Exception:
        traceback.print_exc()
        fail(response, "InternalError")
    return response


def fail(response, code, details="", more=()):
    status, message = FAULTS[code]
    kept = response._headers.get("Content-Range")
    response._headers.clear()
    if kept:
        response["Content-Range"] = kept
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    words = {"Code": code, "Message": message, **dict(more)}
    if details:
        words["Details"] = details
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in words.items())
    response.status = HTTPStatus(status)
    response.write_file(
        f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>", "application/xml; charset=UTF-8"
    )


def route(request, response, storage, body):
    server, (path, _, query) = request.server, request._path.partition("?")
    if "x-goog-signature=" in query.lower():
        auth.check_signed(server.account, request.method, path, query, request.headers, body)
    elif server.strict:
        may = server.account.rights(request.get_header("Authorization", ""))
        if not may:
            raise Fault("AuthenticationRequired")
        if may == "read" and request.method not in ("GET", "HEAD"):
            raise Fault("AccessDenied", "reader does not have access to the Google Cloud Storage object.")
    try:
        # An address is bytes, and nothing in it is made any shorter.
        whole = urllib.parse.unquote_to_bytes(path.encode("latin-1")).decode()
    except UnicodeError:
        raise Fault("InvalidURI") from None
    bucket, _, name = whole[1:].partition("/")
    if not name:
        raise Fault("NotImplemented", "only objects are served")
    if bucket not in storage.buckets:
        raise Fault("NoSuchBucket")
    handler = {"GET": get, "HEAD": get, "PUT": put, "DELETE": delete}.get(request.method)
    if handler is None:
        raise Fault("MethodNotAllowed")
    handler(request, response, storage, bucket, name, body)


def find(request, storage, bucket, name):
    try:
        return storage.find(bucket, name, api.numbered(request))
    except api.NotFound:
        raise Fault("NoSuchKey", f"No such object: {bucket}/{name}") from None


def check(request, resource, unchanged=HTTPStatus.PRECONDITION_FAILED):
    conditions = {}
    for number in ["Generation", "Metageneration"]:
        for kind in ["Match", "NotMatch"]:
            header = f"x-goog-if-{number.lower()}-{'match' if kind == 'Match' else 'not-match'}"
            value = request.get_header(header)
            if value is None:
                continue
            if not re.fullmatch(r"\s*[0-9]{1,19}\s*", value):
                raise Fault("InvalidArgument", f"{header}: {value}")
            conditions[f"if{number}{kind}"] = [value]
    api.check(conditions, "if", resource, same=unchanged)
    tag = etag(resource) if resource else None
    wanted, unwanted = request.get_header("If-Match"), request.get_header("If-None-Match")
    if wanted and not names(wanted, tag):
        raise api.Refused(HTTPStatus.PRECONDITION_FAILED, f"If-Match: {wanted}")
    if unwanted and names(unwanted, tag):
        raise api.Refused(unchanged, f"If-None-Match: {unwanted}")


def names(header, tag):
    """Whether a header has an object's tag; there may be no object."""
    tags = [word.strip().removeprefix("W/") for word in header.split(",")]
    return tag is not None and ("*" in tags or tag in tags or tag.strip('"') in tags)


def etag(resource):
    if resource.get("md5Hash"):
        return f'"{base64.b64decode(resource["md5Hash"]).hex()}"'
    return f'"-{resource["etag"]}"'


def get(request, response, storage, bucket, name, _):
    resource, content = find(request, storage, bucket, name)
    api.describe(response, resource, len(content))
    response["ETag"] = etag(resource)
    check(request, resource, unchanged=HTTPStatus.NOT_MODIFIED)
    api.send(request, response, resource, content)
    # What a signed address says.
    for header in ["Content-disposition", "Content-type"]:
        value = api.first(request, f"response-{header.lower()}")
        if value:
            response._headers.pop(header.title(), None)
            response[header] = value


def put(request, response, storage, bucket, name, body):
    if request.get_header("Content-Length") is None and request.get_header("Transfer-Encoding") is None:
        raise Fault("MissingContentLength")
    check(request, storage.live(bucket, name))
    properties = {"metadata": {}}
    for header, value in request.headers.items():
        # Headers are bytes, which are read as Latin-1.
        value = value.encode("latin-1").decode()
        if header.lower().startswith(META):
            properties["metadata"][header[len(META) :].lower()] = value
        elif header.title() in KEPT:
            properties[header[0].lower() + header.title()[1:].replace("-", "")] = value
    if not properties["metadata"]:
        del properties["metadata"]
    if request.get_header("x-goog-storage-class"):
        properties["storageClass"] = request.get_header("x-goog-storage-class")
    try:
        if len(base64.b64decode(request.get_header("Content-MD5", "A" * 22 + "=="), validate=True)) != 16:
            raise Fault("InvalidDigest")
    except binascii.Error:
        raise Fault("InvalidDigest") from None
    api.expected_in(request, properties)
    resource = api.create(request, storage, bucket, name, body, properties)
    shown = {}
    api.describe(shown, resource, len(body))
    for header, value in shown.items():
        if header.startswith("x-goog-") and not header.startswith(META):
            response[header] = value
    response["ETag"] = etag(resource)
    response.write_file("", "text/html; charset=UTF-8")


def delete(request, response, storage, bucket, name, _):
    generation = api.numbered(request)
    resource, _ = find(request, storage, bucket, name)
    check(request, resource)
    if generation:
        storage.delete_generation(bucket, name, generation)
    else:
        storage.delete_file(bucket, name)
    response.status = HTTPStatus.NO_CONTENT
