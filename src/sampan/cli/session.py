"""One command's view of the cluster: global flags, connection, namespace, and which resource a word means.

Everything is made when it is first asked for, because most commands need little of it.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from sampan.api.scheme import ResourceInfo
from sampan.cli.errors import CliError
from sampan.cli.flags import Values
from sampan.cli.say import complain
from sampan.client.connection import ConnectionSettings
from sampan.client.discovery_cache import CachedResources
from sampan.client.kubeconfig_files import Kubeconfig
from sampan.client.kubeconfig_settings import Overrides
from sampan.client.sync_api import SyncClient, SyncResourceClient

if TYPE_CHECKING:
    from sampan.cli.preferences import Preference


class Session:
    def __init__(self, flags: Values, preference: Preference | None = None) -> None:
        self.flags = flags
        self._preference = preference
        self.warned = 0
        self._said: set[str] = set()

    @cached_property
    def kubeconfig(self) -> Kubeconfig:
        from sampan.client.kubeconfig_files import load

        return load(self.flags["kubeconfig"])

    @cached_property
    def settings(self) -> ConnectionSettings:
        from sampan.client.kubeconfig_settings import settings

        found = settings(self.kubeconfig, self.overrides)
        if self._preference is not None and found.exec is not None:
            from sampan.cli.preferences import allows

            plugin = str(found.exec.get("command") or "")
            if not allows(self._preference, plugin):
                raise CliError(f"the credential plugin {plugin} is not allowed by the kuberc file")
        return found

    @property
    def overrides(self) -> Overrides:
        flags = self.flags
        return Overrides(
            context=flags["context"],
            cluster=flags["cluster"],
            user=flags["user"] if isinstance(flags["user"], str) else "",  # bindings have a --user of their own
            namespace=flags["namespace"],
            server=flags["server"],
            certificate_authority=flags["certificate-authority"],
            insecure=flags["insecure-skip-tls-verify"],
            tls_server_name=flags["tls-server-name"],
            disable_compression=flags["disable-compression"],
            client_certificate=flags["client-certificate"],
            client_key=flags["client-key"],
            token=flags["token"],
            username=flags["username"],
            password=flags["password"],
            impersonate=flags["as"],
            impersonate_uid=flags["as-uid"],
            impersonate_groups=flags["as-group"],
            timeout=_timeout(flags["request-timeout"]),
        )

    @cached_property
    def client(self) -> SyncClient:
        return SyncClient(self.settings, on_warning=self.warn)

    @cached_property
    def resources(self) -> CachedResources:
        return CachedResources(self.client, folder=self.flags["cache-dir"])

    @cached_property
    def namespace(self) -> str:
        return self.settings.namespace

    @property
    def enforce_namespace(self) -> bool:
        """Somebody said `-n`: then a manifest may not say another."""
        return bool(self.flags["namespace"])

    def resolve(self, word: str) -> ResourceInfo:
        """`po`, `deployments.apps` → the resource. Raises `NoSuchResource`."""
        info = self.resources.resolve(word)
        if word.lower() in info.short_names:
            others = [row for row in self.resources.resources().preferred() if word.lower() in row.short_names]
            for other in others:
                if (other.group, other.resource) != (info.group, info.resource):
                    self.warn(f'short name "{word}" could also match lower priority resource {other.qualified}')
        return info

    def of(self, info: ResourceInfo) -> SyncResourceClient[dict[str, object]]:
        return self.client.of(info)

    def where(self, info: ResourceInfo, namespace: str = "") -> str:
        """The namespace to address one of these in; empty for what has none."""
        return (namespace or self.namespace) if info.namespaced else ""

    def warn(self, text: str) -> None:
        """A server's warning: each once, on stderr, in yellow where that can be seen."""
        if text in self._said:
            return
        self._said.add(text)
        self.warned += 1
        colour = sys.stderr.isatty()
        complain(f"\x1b[33;1mWarning:\x1b[0m {text}" if colour else f"Warning: {text}")

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


def _timeout(text: str) -> float:
    from sampan.api.durations import DurationError, parse

    if text.isdigit():
        return float(text)
    try:
        return parse(text)
    except DurationError:
        said = "timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding"
        raise CliError(f"Invalid {said} time unit (e.g. 1s | 2m | 3h)") from None
