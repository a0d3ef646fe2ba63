"""Who may do what: a service account, tokens for it, a metadata server, and signed addresses."""

import base64
import calendar
import hashlib
import hmac
import json
import re
import secrets
import time
import urllib.parse

PROJECT = "haul-test"
METADATA = "/computeMetadata/"
# Good at any time, for reading and listing alone.
READER = "ya29.reader"
LIFETIME, SKEW = 3600, 15 * 60
WEEK = 7 * 24 * 3600
EXPONENT = 65537
# What PKCS#1 puts before a digest of SHA-256.
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class Account:
    """A service account, with its key file as Google makes it and the modulus of that key."""

    def __init__(self, key, modulus):
        self.email, self.token_uri, self.modulus = key["client_email"], key["token_uri"], modulus
        # By token: when it expires, and what it is good for.
        self.tokens = {}

    def token(self, rights="write"):
        token = f"ya29.test-{secrets.token_urlsafe(24)}"
        self.tokens[token] = time.time() + LIFETIME, rights
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}

    def rights(self, authorization):
        """`read`, `write` or nothing, for the value of a header."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            return None
        if token == READER:
            return "read"
        expires, rights = self.tokens.get(token, (0, None))
        if token.count(".") == 2:
            # Signed by oneself; Google's clients do so to save a request.
            try:
                claims = self.claims(token)
            except ValueError:
                return None
            itself = claims.get("aud") == "https://storage.googleapis.com/"
            return rights_of(claims["scope"]) if claims.get("scope") else "write" if itself else None
        return rights if time.time() < expires else None

    def claims(self, assertion):
        """What a JSON web token says, if the account signed it and it is not too old."""
        signed, _, signature = assertion.rpartition(".")
        try:
            header, claims = (json.loads(unpadded(part)) for part in signed.split("."))
            good = header["alg"] == "RS256" and self.verifies(signed.encode(), unpadded(signature))
            issued, expires, issuer = int(claims["iat"]), int(claims["exp"]), claims["iss"]
        except (KeyError, TypeError, ValueError):
            raise ValueError("Invalid JWT: Failed to parse.") from None
        if issuer != self.email:
            raise ValueError("Invalid grant: account not found")
        if not good:
            raise ValueError("Invalid JWT Signature.")
        if not issued - SKEW < time.time() < expires or expires - issued > LIFETIME + SKEW:
            raise ValueError(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your "
                "iat and exp values in the JWT claim."
            )
        return claims

    def verifies(self, message, signature):
        """Whether a signature is RSASSA-PKCS1-v1_5 with SHA-256 of a message."""
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(signature, "big")
        if len(signature) != size or number >= self.modulus:
            return False
        digest = DIGEST_INFO + hashlib.sha256(message).digest()
        wanted = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
        return hmac.compare_digest(pow(number, EXPONENT, self.modulus).to_bytes(size, "big"), wanted)


def unpadded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def rights_of(scope):
    """The rights that go with scopes."""
    names = {name.rpartition("/")[2] for name in scope.split()}
    if names & {"cloud-platform", "devstorage.full_control", "devstorage.read_write"}:
        return "write"
    return "read" if names & {"cloud-platform.read-only", "devstorage.read_only"} else None


# Tokens and metadata


def answer(account, method, path, headers, body):
    """A status, headers and a body, for a path that is none of storage's; nothing if there is no such path."""
    if path == "/":
        # Where a program looks for whether it is in Google's cloud.
        return 200, {"Metadata-Flavor": "Google", "Content-Type": "application/text"}, "computeMetadata/\n"
    if path == "/token" and method == "POST":
        return as_json(*grant(account, form(body)))
    if path == "/revoke" and method == "POST":
        known = account.tokens.pop(form(body).get("token"), None)
        return as_json(200, {}) if known else as_json(400, {"error": "invalid_token"})
    if path.startswith(METADATA):
        return metadata(account, path, headers)
    return None


def form(body):
    return dict(urllib.parse.parse_qsl(bytes(body).decode("utf-8", "replace")))


def as_json(status, value):
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(value)


def grant(account, wanted):
    if wanted.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
        kind = wanted.get("grant_type", "")
        return 400, {"error": "unsupported_grant_type", "error_description": f"Invalid grant_type: {kind}"}
    try:
        claims = account.claims(wanted.get("assertion", ""))
        if claims.get("aud") not in (account.token_uri, "https://oauth2.googleapis.com/token"):
            raise ValueError("Invalid JWT: Failed audience check.")
    except ValueError as error:
        return 400, {"error": "invalid_grant", "error_description": str(error)}
    rights = rights_of(claims.get("scope") or "")
    if rights is None:
        what = "Invalid OAuth scope or ID token audience provided."
        return 400, {"error": "invalid_scope", "error_description": what}
    return 200, account.token(rights)


def metadata(account, path, headers):
    shown = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
    if headers.get("Metadata-Flavor") != "Google":
        return 403, {**shown, "Content-Type": "text/html"}, "Missing Metadata-Flavor:Google header."
    texts = {
        "instance/service-accounts/": f"default/\n{account.email}/\n",
        "universe/universe_domain": "googleapis.com",
        "project/project-id": PROJECT,
    }
    for name in ["default", account.email]:
        texts[f"instance/service-accounts/{name}/email"] = account.email
        texts[f"instance/service-accounts/{name}/scopes"] = "https://www.googleapis.com/auth/cloud-platform\n"
        if path == f"{METADATA}v1/instance/service-accounts/{name}/token":
            return 200, {**shown, "Content-Type": "application/json"}, json.dumps(account.token())
    text = texts.get(path.removeprefix(f"{METADATA}v1/"))
    return (404, shown, "Not Found") if text is None else (200, shown, text)


# Signed addresses


class Unsigned(Exception):
    """Why an address is not good: a code of the XML interface and more words on it."""

    def __init__(self, code, details="", more=()):
        super().__init__(details)
        self.code, self.more = code, dict(more)


def malformed(name, details):
    return Unsigned("MalformedSecurityHeader", details, {"ParameterName": name})


def check_signed(account, method, path, query, headers, body):
    """Refuses an address that has a signature of version 4, but not the right one. `path` is as it was sent."""
    pairs = [tuple(map(urllib.parse.unquote_plus, pair.partition("=")[::2])) for pair in query.split("&") if pair]
    values = {name.lower(): value for name, value in pairs}
    words = {}
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"]:
        words[name] = values.get(f"x-goog-{name.lower()}")
        if not words[name]:
            raise malformed(f"x-goog-{name.lower()}", "Query parameter is missing or empty.")
    if words["Algorithm"] != "GOOG4-RSA-SHA256":
        raise malformed("x-goog-algorithm", "Only GOOG4-RSA-SHA256 is known here.")
    email, _, scope = words["Credential"].partition("/")
    # The place may be any.
    scoped = re.fullmatch(r"(\d{8})/[^/]+/storage/goog4_request", scope)
    if not scoped:
        raise malformed("x-goog-credential", "Credential scope is not DATE/LOCATION/storage/goog4_request.")
    if not re.fullmatch(r"\d{8}T\d{6}Z", words["Date"]) or words["Date"][:8] != scoped[1]:
        raise malformed("x-goog-date", "Date is malformed, or not the credential scope's.")
    try:
        signed_at = calendar.timegm(time.strptime(words["Date"], "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise malformed("x-goog-date", "Date is malformed.") from None
    if not re.fullmatch(r"\d{1,9}", words["Expires"]) or not 1 <= int(words["Expires"]) <= WEEK:
        raise malformed("x-goog-expires", f"Expires is not between 1 and {WEEK} seconds.")
    if signed_at > time.time() + SKEW:
        raise Unsigned("AccessDenied", "Request is not valid yet.")
    expires = signed_at + int(words["Expires"])
    if time.time() > expires:
        shown = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(expires))
        raise Unsigned("ExpiredToken", f"Request signature expired at: {shown}")

    canonical = canonical_request(method, path, pairs, words["SignedHeaders"], headers, body)
    digest = hashlib.sha256(canonical).hexdigest()
    to_sign = f"{words['Algorithm']}\n{words['Date']}\n{scope}\n{digest}"
    if email != account.email:
        raise Unsigned("AccessDenied", f"{email} does not exist.")
    try:
        signature = bytes.fromhex(words["Signature"])
    except ValueError:
        signature = b""
    if not account.verifies(to_sign.encode(), signature):
        raise Unsigned(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your Google secret "
            "key and signing method.",
            {"StringToSign": to_sign, "CanonicalRequest": canonical.decode("utf-8", "replace")},
        )


def canonical_request(method, path, pairs, signed, headers, body):
    # As the documentation has it: what was sent in other words is as good.
    path = encoded(urllib.parse.unquote_to_bytes(path.encode("latin-1")), "/")
    query = sorted((encoded(name), encoded(value)) for name, value in pairs if name.lower() != "x-goog-signature")
    names = signed.split(";")
    if names != sorted(set(names)) or signed != signed.lower() or "host" not in names:
        raise malformed("x-goog-signedheaders", "Signed headers are not in order, in lower case and with `host`.")
    lines = []
    for name in names:
        values = headers.get_all(name)
        if values is None:
            raise malformed(name, "Header was included in signedheaders, but not in the request.")
        value = ",".join(re.sub(r"[ \t]+", " ", value.strip(" \t")) for value in values)
        lines.append(f"{name}:{value}\n".encode("latin-1"))
    for name in headers:
        if name.lower().startswith("x-goog-") and name.lower() not in names:
            raise malformed(name.lower(), "Header was included in the request, but not in signedheaders.")
    payload = headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        raise malformed("x-goog-content-sha256", "The body has another SHA-256.")
    query = "&".join(f"{name}={value}" for name, value in query)
    head = f"{method}\n{path}\n{query}\n".encode()
    return head + b"".join(lines) + f"\n{signed}\n{payload}".encode()


def encoded(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "~")
