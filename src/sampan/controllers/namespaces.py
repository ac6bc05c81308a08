"""What controllers ask of namespaces."""

from sampan.api.errors import ApiError, NotFound


def is_terminating(error: Exception) -> bool:
    """The write was refused because the namespace is going, or gone: nothing to try again."""
    if not isinstance(error, ApiError):
        return False
    if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
        return True
    return isinstance(error, NotFound) and error.kind == "namespaces"
