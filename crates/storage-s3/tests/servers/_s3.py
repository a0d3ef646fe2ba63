"""As much of an S3 client as it takes to ask whether a server really serves."""

import datetime
import hashlib
import hmac
import urllib.parse

import support

ACCESS_KEY, SECRET_KEY = "AKTEST", "SKTEST"
REGION = "us-east-1"


def serves(endpoint):
    """Whether an object can be written and read back; what was made for that is deleted again."""
    bucket, key = f"{endpoint}/haul-is-it-up", f"{endpoint}/haul-is-it-up/object"
    # A bucket of an attempt that went further is fine.
    if request("PUT", bucket)[0] not in (200, 409):
        return False
    if request("PUT", key, b"yes")[0] != 200 or request("GET", key) != (200, b"yes"):
        return False
    return request("DELETE", key)[0] == 204 and request("DELETE", bucket)[0] == 204


def request(method, url, body=b""):
    """Sends a request with a signature of version 4."""
    parts = urllib.parse.urlsplit(url)
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": time,
    }
    names = ";".join(headers)
    signed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join([method, parts.path, parts.query, signed, names, headers["x-amz-content-sha256"]])
    scope = f"{time[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET_KEY}".encode()
    for word in scope.split("/"):
        key = _hmac(key, word).digest()
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}").hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return support.http(method, url, body or None, headers)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)
