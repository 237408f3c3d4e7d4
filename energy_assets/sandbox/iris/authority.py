"""The token endpoint that the broker trusts: Microsoft Entra's part of the way in, on loopback.

Issuing tokens, telling good ones from bad ones, and the error answers of the real endpoint belong here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN_SECONDS = 3600
"""Life of a token, as the real endpoint gives it to applications."""

SCOPE = "https://servicebus.azure.net"
"""What a token has to be for."""


@dataclass(slots=True)
class Account:
    """The one application that may come in.

    Attributes:
        tenant_id: Its directory.
        client_id: Its id.
        client_secret: Its secret.
        expired: Whether the secret has expired.
    """

    tenant_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_secret: str = field(default_factory=lambda: f"sandbox~{secrets.token_urlsafe(24)}")
    expired: bool = False


class Issuer:
    """Makes tokens, and knows its own again.

    Attributes:
        seconds: Life of the tokens that are made from now on.
        issued: How many were made.
    """

    def __init__(self, clock: Callable[[], int], seconds: int = TOKEN_SECONDS) -> None:
        self.seconds = seconds
        self.issued = 0
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def issue(self, client_id: str) -> str:
        """A token for a client."""
        self.issued += 1
        now = self._clock() // 1000
        claims = {"aud": SCOPE, "appid": client_id, "iat": now, "exp": now + self.seconds, "jti": self.issued}
        text = ".".join(_packed(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{text}.{self._signature(text)}"

    def expiry(self, token: str) -> int | None:
        """When a token of this issuer ends, milliseconds since 1970; ``None`` for any other text."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
        return int(claims["exp"]) * 1000

    def _signature(self, text: str) -> str:
        return _packed(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authority:
    """The endpoint.

    Attributes:
        account: Who may come in.
        issuer: Who makes the tokens.
        unavailable: Whether every request is answered with 503.
        requests: Token requests so far.
    """

    def __init__(self, account: Account, issuer: Issuer) -> None:
        self.account = account
        self.issuer = issuer
        self.unavailable = False
        self.requests = 0

    def app(self) -> Starlette:
        """The application to serve, with TLS."""
        return Starlette(
            routes=[
                Route("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            ]
        )

    async def _configuration(self, request: Request) -> Response:
        tenant = request.path_params["tenant"]
        if self.unavailable:
            return Response("Service unavailable", 503)
        if tenant != self.account.tenant_id:
            return _unknown_tenant(tenant)
        base = str(request.base_url).rstrip("/") + f"/{tenant}"
        return JSONResponse(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "response_types_supported": ["code", "id_token"],
                "scopes_supported": ["openid"],
                "tenant_region_scope": "EU",
            }
        )

    async def _token(self, request: Request) -> Response:
        self.requests += 1
        if self.unavailable:
            return Response("Service unavailable", 503)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        refusal = self._refusal(request.path_params["tenant"], form)
        if refusal is not None:
            return refusal
        seconds = self.issuer.seconds
        token = self.issuer.issue(self.account.client_id)
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
        )

    def _refusal(self, tenant: str, form: dict[str, str]) -> Response | None:
        account, client = self.account, form.get("client_id", "")
        if tenant != account.tenant_id:
            return _unknown_tenant(tenant)
        if client != account.client_id:
            text = f"Application with identifier '{client}' was not found in the directory '{tenant}'."
            return _entra_error(400, "unauthorized_client", 700016, text)
        if form.get("client_secret") != account.client_secret:
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'."
            )
            return _entra_error(401, "invalid_client", 7000215, text)
        if account.expired:
            text = f"The provided client secret keys for app '{client}' are expired."
            return _entra_error(401, "invalid_client", 7000222, text)
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").startswith(SCOPE):
            return _entra_error(400, "invalid_scope", 70011, "The provided value for the input parameter is not valid.")
        return None


def _unknown_tenant(tenant: str) -> Response:
    text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
    return _entra_error(400, "invalid_tenant", 90002, text)


def _entra_error(status: int, name: str, code: int, text: str) -> Response:
    """An error as the real endpoint words it."""
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    said: dict[str, Any] = {
        "error": name,
        "error_description": f"AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
        "error_codes": [code],
        "timestamp": now,
        "trace_id": str(trace),
        "correlation_id": str(correlation),
    }
    return JSONResponse(said, status)
