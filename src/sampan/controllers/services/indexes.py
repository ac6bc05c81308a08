"""Slices by the key of their Service."""

from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.controllers.services.slices import SERVICE_NAME

BY_SERVICE = "controllers/by-service"


def service_keys(one: EndpointSlice) -> list[str]:
    name = (one.metadata.labels or {}).get(SERVICE_NAME)
    return [f"{one.metadata.namespace}/{name}"] if name else []
