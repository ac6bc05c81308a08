"""kubeconfig, by kubectl's rules: the front door.

`load_settings` for the command line's `SyncClient`, `load_client` for components. The files themselves are
`sampan.client.kubeconfig_files`, what they and the flags add up to `sampan.client.kubeconfig_settings`, and changing
them `sampan.client.kubeconfig_write`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sampan.client.connection import ConnectionSettings
from sampan.client.kubeconfig_files import Kubeconfig, KubeconfigError, default_path, load, paths
from sampan.client.kubeconfig_settings import Overrides, in_cluster, settings

if TYPE_CHECKING:
    from sampan.client.api import Client

__all__ = [
    "Kubeconfig",
    "KubeconfigError",
    "Overrides",
    "default_path",
    "in_cluster",
    "load",
    "load_client",
    "load_settings",
    "paths",
    "settings",
]


def load_settings(path: str = "", *, context: str = "", overrides: Overrides | None = None) -> ConnectionSettings:
    flags = overrides or Overrides()
    if context:
        flags = msgspec.structs.replace(flags, context=context)
    return settings(load(path), flags)


def load_client(path: str = "", *, context: str = "", user_agent: str = "sampan") -> Client:
    """An async client over HTTP. Needs a running event loop."""
    from sampan.client.http import connect

    return connect(load_settings(path, context=context), user_agent=user_agent)
