"""The one place that knows which version this is, and which Kubernetes it speaks."""

__version__ = "0.1.0"

KUBERNETES_MAJOR = "1"
KUBERNETES_MINOR = "36"
GIT_VERSION = "v1.36.2+sampan"
