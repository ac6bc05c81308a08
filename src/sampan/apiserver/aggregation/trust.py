"""What other API servers read to know whom they may believe: the authority, and the names of headers."""

from __future__ import annotations

from typing import Any

NAME = "front-proxy-client"


def proxy_trust(ca: str) -> dict[str, Any]:
    """The ConfigMap that extension API servers look for."""
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": {
            "client-ca-file": ca,
            "requestheader-client-ca-file": ca,
            "requestheader-allowed-names": f'["{NAME}"]',
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        },
    }
