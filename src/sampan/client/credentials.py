"""What a request says about its sender: bearer tokens, token files that are read again, basic, exec plugins.

Plain blocking code: the async transport runs `refresh` of an exec plugin in a thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from sampan.client.clock import parse_time
from sampan.client.connection import ConnectionSettings

REREAD_SECONDS = 60.0
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class CredentialError(Exception):
    """The credentials could not be had; the message is for the user."""


class Credentials:
    def __init__(self, settings: ConnectionSettings, *, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._file_token = ""
        self._file_read_at = float("-inf")
        self._exec_token = ""
        self._exec_expires = float("-inf")
        self._running = threading.Lock()
        self.cert = b""
        self.key = b""

    @property
    def needs_exec(self) -> bool:
        """A plugin has to run before the next request."""
        return self._settings.exec is not None and self._now() >= self._exec_expires

    @property
    def renewable(self) -> bool:
        """After a 401 it is worth asking again."""
        return self._settings.exec is not None or bool(self._settings.token_file)

    def headers(self) -> dict[str, str]:
        settings = self._settings
        if self.needs_exec:
            with self._running:  # of many requests at once, one runs the plugin
                if self.needs_exec:
                    self._run_exec()
        token = self._exec_token or (self._from_file() if settings.token_file else "") or settings.token
        if token:
            return {"authorization": f"Bearer {token}"}
        if settings.username or settings.password:
            import base64

            pair = base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {}

    def forget(self) -> None:
        """The server refused them (401)."""
        self._exec_expires = float("-inf")
        self._file_read_at = float("-inf")

    def _from_file(self) -> str:
        if self._now() - self._file_read_at >= REREAD_SECONDS:
            try:
                with open(self._settings.token_file, encoding="utf-8") as file:
                    self._file_token = file.read().strip()
            except OSError as error:
                if not self._file_token:  # an old token is better than none: the kubelet may be writing a new one
                    said = (error.strerror or str(error)).lower()
                    raise CredentialError(f"open {self._settings.token_file}: {said}") from None
            self._file_read_at = self._now()
        return self._file_token

    def _run_exec(self) -> None:
        plugin = self._settings.exec or {}
        status = run_plugin(plugin, self._settings.exec_cluster if plugin.get("provideClusterInfo") else None)
        self._exec_token = status.get("token") or ""
        cert, key = status.get("clientCertificateData") or "", status.get("clientKeyData") or ""
        if bool(cert) != bool(key):
            raise CredentialError("getting credentials: exec plugin returned only certificate or key, not both")
        if not self._exec_token and not cert:
            raise CredentialError("getting credentials: exec plugin didn't return a token or cert/key pair")
        self.cert, self.key = cert.encode(), key.encode()
        expires = status.get("expirationTimestamp")
        self._exec_expires = parse_time(expires) if expires else float("inf")


def run_plugin(plugin: dict[str, Any], cluster: dict[str, Any] | None) -> dict[str, Any]:
    """The `status` of the ExecCredential that the plugin prints."""
    import subprocess
    import sys

    command, version = plugin.get("command") or "", plugin.get("apiVersion") or ""
    if version not in EXEC_VERSIONS:
        raise CredentialError(f'getting credentials: exec plugin: invalid apiVersion "{version}"')
    mode = plugin.get("interactiveMode") or "IfAvailable"
    interactive = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not interactive:
        raise CredentialError(
            "getting credentials: exec plugin cannot support interactive mode: standard input is not a terminal"
        )
    spec: dict[str, Any] = {"interactive": interactive}
    if cluster is not None:
        spec["cluster"] = cluster
    asked = msgspec.json.encode({"kind": "ExecCredential", "apiVersion": version, "spec": spec}).decode()
    env = (
        os.environ | {e["name"]: e.get("value", "") for e in plugin.get("env") or ()} | {"KUBERNETES_EXEC_INFO": asked}
    )
    try:
        done = subprocess.run(
            [command, *(plugin.get("args") or ())],
            env=env,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        hint = plugin.get("installHint") or ""
        raise CredentialError(
            f"getting credentials: exec: executable {command} not found{chr(10) + chr(10) + hint if hint else ''}"
        ) from None
    except OSError as error:
        raise CredentialError(f"getting credentials: exec: executable {command} failed: {error.strerror}") from None
    if done.returncode != 0:
        raise CredentialError(
            f"getting credentials: exec: executable {command} failed with exit code {done.returncode}"
        )
    try:
        answer = msgspec.json.decode(done.stdout)
    except msgspec.DecodeError as error:
        raise CredentialError(f"getting credentials: exec plugin: decoding stdout: {error}") from None
    if not isinstance(answer, dict) or answer.get("apiVersion") != version:
        raise CredentialError(
            f"getting credentials: exec plugin is configured to use API version {version}, plugin returned another one"
        )
    status = answer.get("status")
    if not isinstance(status, dict):
        raise CredentialError("getting credentials: exec plugin didn't return a status field")
    return status
